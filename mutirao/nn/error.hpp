#pragma once

// What goes wrong when ranks train together, beside comm::GroupFailed.
//
// Guarantees: every rank throws the same sentence at the same step, so none waits for another that
// gave up; the group stays alive. Thread safety: errors are values.

#include <string>
#include <utility>

#include "mutirao/core/error.hpp"

namespace mutirao::nn {

/// The ranks do not have the same parameters, buffers or options.
class ModelMismatch : public core::InvalidArgument {
 public:
  using core::InvalidArgument::InvalidArgument;
};

/// A parameter had no gradient on some rank in a synchronised backward pass.
class MissingGradient : public core::InvalidArgument {
 public:
  using core::InvalidArgument::InvalidArgument;
};

/// A gradient of some rank was infinite or NaN.
class NonFiniteGradient : public core::InvalidInput {
 public:
  using core::InvalidInput::InvalidInput;
};

}  // namespace mutirao::nn
