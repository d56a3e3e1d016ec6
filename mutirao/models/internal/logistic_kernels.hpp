#pragma once

// What logistic regression does with the scores of rows, once per instruction set.
//
// Scores, slopes and probabilities are a run of `rows` numbers per output, one run behind the
// other; rows is a multiple of kGramLanes. Rows that only fill up have weight 0 and class 0. One
// output: the log odds of class 1, and its probability; more: one for each class. All instruction
// sets give the same bytes.

#include <cstddef>
#include <cstdint>

#include "mutirao/models/internal/gram_kernels.hpp"

namespace mutirao::models::internal {

struct LogisticKernels {
  /// Gives the log loss of the scores, each row's times its weight, and writes: its slopes in place
  /// of the scores, the probabilities, and into `doubts` per row weight x (1 - the largest
  /// probability). What is near 1 or 0 keeps its digits in all but the probabilities.
  double (*take_loss)(double* scores, std::size_t rows, std::size_t outputs,
                      const std::uint32_t* classes, const double* weights, double* probabilities,
                      double* doubts);
  /// Scores of a direction become slopes of the loss along it: times the second derivatives.
  void (*take_curvature)(const double* probabilities, const double* weights, std::size_t rows,
                         std::size_t outputs, double* scores);
};

const LogisticKernels& logistic_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
