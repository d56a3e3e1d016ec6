#include "mutirao/models/internal/logistic_problem.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mutirao/models/internal/exponential.hpp"
#include "mutirao/models/internal/linear_problem.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Rows of a block: with twenty columns it fits the first-level cache.
constexpr std::size_t kRows = 128;
/// Parameters times rows of a unit of work, at least, and units, at most.
constexpr std::size_t kLeastWork = std::size_t{1} << 16;
constexpr std::size_t kMostChunks = 64;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

TrainingSet without_weights(const TrainingSet& training) {
  TrainingSet plain = training;
  plain.sample_weight = {};
  return plain;
}

}  // namespace

LogisticProblem::LogisticProblem(const TrainingSet& training, std::vector<std::uint32_t> classes,
                                 std::vector<double> weights, std::size_t n_classes,
                                 bool fit_intercept, double penalty, exec::CoreBudget& budget,
                                 std::size_t max_cores)
    : training_(without_weights(training)),
      classes_(std::move(classes)),
      weights_(std::move(weights)),
      outputs_(n_classes == 2 ? 1 : n_classes),
      fit_intercept_(fit_intercept),
      penalty_(penalty),
      budget_(budget),
      max_cores_(max_cores),
      blocks_(training_, all_columns(training_), budget, max_cores),
      kernels_(gram_kernels(core::instruction_set())) {
  if (fit_intercept) blocks_.guess_shifts();
  shifts_ = blocks_.shifts();
  chunk_rows_ = round_up(
      std::max(kLeastWork / (outputs_ * stride()), blocks_.rows() / kMostChunks) + 1, kRows);
  probabilities_.resize(outputs_ * blocks_.rows());
  double total = 0.0;
  for (std::size_t i = 0; i < blocks_.rows(); ++i) total += weights_[row(i)];
  for (std::size_t i = 0; i < blocks_.rows(); ++i) weights_[row(i)] /= total;
}

/// visit(block, padded, first, count, sum): the block's columns are those of x, then ones (or zeros
/// without an intercept) and room for the visitor's own.
template <class Visit>
VectorXd LogisticProblem::add_up(std::size_t sum_size, const Visit& visit) const {
  std::vector<VectorXd> sums((blocks_.rows() + chunk_rows_ - 1) / chunk_rows_);
  std::vector<std::vector<double>> rooms(std::max<std::size_t>(1, budget_.cores()));
  budget_.for_each(
      sums.size(),
      [&](std::size_t chunk, std::size_t lane) {
        std::vector<double>& block = rooms[lane];
        block.resize(kRows * (cols() + 2 + 2 * outputs_));
        sums[chunk] = VectorXd::Zero(index(sum_size));
        const std::size_t last = std::min(blocks_.rows(), (chunk + 1) * chunk_rows_);
        for (std::size_t first = chunk * chunk_rows_; first < last; first += kRows) {
          const std::size_t count = std::min(kRows, last - first);
          const std::size_t padded = round_up(count, kGramLanes);
          blocks_.fill(first, count, padded, block.data());
          double* ones = block.data() + cols() * padded;
          std::fill(ones, ones + count, fit_intercept_ ? 1.0 : 0.0);
          std::fill(ones + count, ones + padded, 0.0);
          visit(block.data(), padded, first, count, sums[chunk].data());
        }
      },
      max_cores_);
  VectorXd total = VectorXd::Zero(index(sum_size));
  for (const VectorXd& sum : sums) total += sum;
  return total;
}

void LogisticProblem::add_penalty(const VectorXd& of, VectorXd& to) const {
  for (std::size_t c = 0; c < outputs_; ++c) {
    const Index first = index(c * stride());
    to.segment(first, index(cols())) += penalty_ * of.segment(first, index(cols()));
    // A direction without a slope of its own must not be singular.
    if (!fit_intercept_) to(first + index(cols())) = of(first + index(cols()));
  }
}

double LogisticProblem::evaluate(const VectorXd& parameters, VectorXd& gradient) {
  const std::size_t q = stride();
  const std::size_t n = blocks_.rows();
  const VectorXd sums = add_up(
      outputs_ * q + 1,
      [&](double* block, std::size_t padded, std::size_t first, std::size_t count, double* sum) {
        double* scores = block + q * padded;  // per output: scores, then slopes
        std::fill(scores, scores + outputs_ * padded, 0.0);
        kernels_.add_scores(block, padded, q, parameters.data(), outputs_, scores);
        double loss = 0.0;
        for (std::size_t k = 0; k < count; ++k) {
          const std::size_t at = row(first + k);
          const double weight = weights_[at];
          const std::uint32_t truth = classes_[at];
          if (outputs_ == 1) {
            const double score = scores[k];
            const double small = exp_of_negative(-std::abs(score));
            const double probability = (score >= 0.0 ? 1.0 : small) / (1.0 + small);
            const double wrong = truth == 1 ? -score : score;
            loss += weight * (log_of_one_plus(small) + std::max(0.0, wrong));
            probabilities_[first + k] = probability;
            // The distance from 1 without cancellation.
            const double other = (score >= 0.0 ? small : 1.0) / (1.0 + small);
            scores[k] = weight * (truth == 1 ? -other : probability);
            continue;
          }
          std::size_t top = 0;
          for (std::size_t c = 1; c < outputs_; ++c) {
            if (scores[c * padded + k] > scores[top * padded + k]) top = c;
          }
          const double highest = scores[top * padded + k];
          const double wrong = highest - scores[truth * padded + k];
          double rest = 0.0;  // what the exponentials sum to, beyond the highest one's 1
          for (std::size_t c = 0; c < outputs_; ++c) {
            double& value = scores[c * padded + k];
            value = c == top ? 1.0 : exp_of_negative(value - highest);
            if (c != top) rest += value;
          }
          loss += weight * (log_of_one_plus(rest) + wrong);
          double others = 0.0;
          for (std::size_t c = 0; c < outputs_; ++c) {
            double& value = scores[c * padded + k];
            const double probability = value / (1.0 + rest);
            probabilities_[c * n + first + k] = probability;
            if (c != truth) others += probability;
            value = weight * probability;
          }
          scores[truth * padded + k] = -weight * others;
        }
        for (std::size_t c = 0; c < outputs_; ++c)
          std::fill(scores + c * padded + count, scores + (c + 1) * padded, 0.0);
        kernels_.add_slopes(block, padded, q, scores, outputs_, sum);
        sum[outputs_ * q] += loss;
      });
  gradient = sums.head(index(outputs_ * q));
  double square = 0.0;
  for (std::size_t c = 0; c < outputs_; ++c)
    square += parameters.segment(index(c * q), index(cols())).squaredNorm();
  add_penalty(parameters, gradient);
  return sums(index(outputs_ * q)) + 0.5 * penalty_ * square;
}

VectorXd LogisticProblem::hessian_times(const VectorXd& direction) const {
  const std::size_t q = stride();
  const std::size_t n = blocks_.rows();
  VectorXd product = add_up(outputs_ * q, [&](double* block, std::size_t padded, std::size_t first,
                                              std::size_t count, double* sum) {
    double* scores = block + q * padded;
    std::fill(scores, scores + outputs_ * padded, 0.0);
    kernels_.add_scores(block, padded, q, direction.data(), outputs_, scores);
    double weights[kRows];
    double means[kRows] = {};
    for (std::size_t k = 0; k < count; ++k) weights[k] = weights_[row(first + k)];
    for (std::size_t c = 0; c < outputs_; ++c) {
      const double* probability = probabilities_.data() + c * n + first;
      const double* score = scores + c * padded;
      for (std::size_t k = 0; k < count; ++k) means[k] += probability[k] * score[k];
    }
    for (std::size_t c = 0; c < outputs_; ++c) {
      const double* probability = probabilities_.data() + c * n + first;
      double* score = scores + c * padded;
      for (std::size_t k = 0; k < count; ++k)
        score[k] = weights[k] * probability[k] * (score[k] - means[k]);
    }
    kernels_.add_slopes(block, padded, q, scores, outputs_, sum);
  });
  add_penalty(direction, product);
  return product;
}

MatrixXd LogisticProblem::hessian_block(std::size_t output) const {
  const std::size_t q = stride();
  const double* probabilities = probabilities_.data() + output * blocks_.rows();
  const VectorXd sums = add_up(q * q, [&](double* block, std::size_t padded, std::size_t first,
                                          std::size_t count, double* sum) {
    double* roots = block + q * padded;
    for (std::size_t k = 0; k < count; ++k) {
      const double probability = probabilities[first + k];
      roots[k] = std::sqrt(weights_[row(first + k)] * probability * (1.0 - probability));
    }
    for (std::size_t j = 0; j < q; ++j) {
      for (std::size_t k = 0; k < count; ++k) block[j * padded + k] *= roots[k];
    }
    kernels_.add_gram(block, padded, q, sum);
  });
  MatrixXd hessian(index(q), index(q));
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = i; j < q; ++j)
      hessian(index(i), index(j)) = hessian(index(j), index(i)) = sums(index(i * q + j));
  }
  hessian.diagonal().head(index(cols())).array() += penalty_;
  if (!fit_intercept_) hessian(index(cols()), index(cols())) = 1.0;
  return hessian;
}

}  // namespace mutirao::models::internal
