#pragma once

#include <exception>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::train {

/// Message and hint of the error of type E that `action` throws; anything else fails the test.
template <class E, class Action>
std::string complaint(Action action) {
  try {
    action();
  } catch (const E& error) {
    return core::describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was wrong";
  return {};
}

}  // namespace mutirao::train
