#pragma once

// Loops over the numbers of parameters and gradients, once per instruction set.
//
// Every version does the same floating-point operations on the same numbers in the same order, so
// training gives the same bytes on all of them.

#include <cstddef>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::nn::internal {

struct SgdStep {
  double rate = 0.0;
  double momentum = 0.0;
  double dampening = 0.0;
  double weight_decay = 0.0;
  bool nesterov = false;
  bool first = false;  ///< the momentum buffer holds nothing yet
};

struct AdamWStep {
  double rate = 0.0;
  double beta1 = 0.0;
  double beta2 = 0.0;
  double epsilon = 0.0;
  double weight_decay = 0.0;
  double step = 1.0;  ///< from 1
};

template <class T>
struct ParameterKernels {
  /// `velocity`: the momentum buffer; null without momentum.
  void (*sgd)(T* parameter, const T* gradient, T* velocity, std::size_t count, const SgdStep& step);
  /// `greatest`: the largest `square` so far (amsgrad), or null.
  void (*adamw)(T* parameter, const T* gradient, T* mean, T* square, T* greatest, std::size_t count,
                const AdamWStep& step);
  /// Whether no value is infinite or NaN.
  bool (*all_finite)(const T* values, std::size_t count);
  /// Copies; the result is that of all_finite.
  bool (*copy)(T* to, const T* from, std::size_t count);
  /// In float64: eight sums, of the places that leave the same remainder by eight, added in order.
  double (*sum_of_squares)(const T* values, std::size_t count);
  void (*scale)(T* values, std::size_t count, double factor);
};

template <class T>
const ParameterKernels<T>& parameter_kernels(core::InstructionSet set);

}  // namespace mutirao::nn::internal
