#pragma once

#include <string>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::comm {

/// What an error of class E that `action` throws says, its hint behind it; anything else fails.
template <class E = core::InvalidArgument, class Action>
std::string complaint(Action action) {
  try {
    action();
  } catch (const E& error) {
    return core::describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing went wrong";
  return {};
}

}  // namespace mutirao::comm
