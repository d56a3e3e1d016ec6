#include "mutirao/models/internal/logistic_problem.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "mutirao/models/internal/centred_products.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Numbers of a block, about: what the first-level cache holds.
constexpr std::size_t kBlockNumbers = 4608;
/// Rows that are brought into blocks once, rather than on each pass, have at most so many numbers.
constexpr std::size_t kKeptNumbers = std::size_t{1} << 18;
/// Parameters times rows of a unit of work, at least, with as many for a row's loss as take its
/// time; and units, at most.
constexpr std::size_t kLeastWork = std::size_t{1} << 19;
constexpr std::size_t kWorkOfLoss = 24;
constexpr std::size_t kMostUnits = 64;
/// Rows with less than this share of the mean curvature are left out where that is allowed.
constexpr double kNegligible = 0.03;
/// Rows that tell a Hessian roughly, and per column.
constexpr std::size_t kRoughRows = 2048;
constexpr std::size_t kRoughRowsPerColumn = 16;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

LogisticProblem::LogisticProblem(data::MatrixView x, std::vector<double> shifts, ClassedRows rows,
                                 const LogisticOptions& options, exec::CoreBudget& budget)
    : x_(x),
      shifts_(std::move(shifts)),
      rows_(std::move(rows)),
      options_(options),
      budget_(budget),
      outputs_(options.n_classes == 2 ? 1 : options.n_classes),
      block_rows_(
          std::clamp(kBlockNumbers / stride() / 16 * 16, std::size_t{32}, std::size_t{256})),
      gram_kernels_(gram_kernels(core::instruction_set())),
      kernels_(logistic_kernels(core::instruction_set())) {
  const double total = std::accumulate(rows_.weights.begin(), rows_.weights.end(), 0.0);
  for (double& weight : rows_.weights) weight /= total;
  const std::size_t padded = round_up(this->rows(), kGramLanes);
  rows_.weights.resize(padded, 0.0);
  rows_.classes.resize(padded, 0);
  probabilities_.resize(outputs_ * padded);
  doubts_.resize(padded);
  if (this->rows() * stride() <= kKeptNumbers) numbers_ = read_all(rows_.rows);
}

LogisticProblem LogisticProblem::sample(std::size_t step) const {
  std::vector<std::size_t> count(options_.n_classes, 0);
  std::vector<double> all(options_.n_classes, 0.0);
  std::vector<double> sampled(options_.n_classes, 0.0);
  ClassedRows some;
  for (std::size_t i = 0; i < rows(); ++i) {
    const std::uint32_t c = rows_.classes[i];
    all[c] += rows_.weights[i];
    if (count[c]++ % step != 0) continue;
    sampled[c] += rows_.weights[i];
    some.rows.push_back(rows_.rows[i]);
    some.classes.push_back(c);
    some.weights.push_back(rows_.weights[i]);
  }
  for (std::size_t i = 0; i < some.rows.size(); ++i)
    some.weights[i] *= all[some.classes[i]] / sampled[some.classes[i]];
  return {x_, shifts_, std::move(some), options_, budget_};
}

template <class RowOf>
void LogisticProblem::read(const RowOf& row_of, std::size_t count, std::size_t padded,
                           double* block) const {
  for (std::size_t j = 0; j < cols(); ++j, block += padded) {
    const double* column = x_.column(j).data();
    const double shift = shifts_[j];
    for (std::size_t k = 0; k < count; ++k) block[k] = column[row_of(k)] - shift;
    std::fill(block + count, block + padded, 0.0);
  }
  std::fill(block, block + count, options_.fit_intercept ? 1.0 : 0.0);
  std::fill(block + count, block + padded, 0.0);
}

void LogisticProblem::prefetch(std::size_t first) const {
  // A block ends each column's run before the processor has seen that it is one.
  constexpr std::size_t kLineNumbers = 8;
  const std::size_t last = std::min(rows(), first + block_rows_);
  for (std::size_t j = 0; j < cols(); ++j) {
    const double* column = x_.column(j).data();
    for (std::size_t i = first; i < last; i += kLineNumbers) __builtin_prefetch(column + i);
  }
}

std::vector<double> LogisticProblem::read_all(std::span<const std::uint32_t> at) const {
  std::vector<double> numbers(round_up(at.size(), kGramLanes) * stride());
  for (std::size_t first = 0; first < at.size(); first += block_rows_) {
    const std::size_t count = std::min(block_rows_, at.size() - first);
    read([&](std::size_t k) { return at[first + k]; }, count, round_up(count, kGramLanes),
         numbers.data() + first * stride());
  }
  return numbers;
}

/// visit(block, padded, first, scores, sum): of the rows from `first` on, and room for a score of
/// each output.
template <class Visit>
VectorXd LogisticProblem::add_up(const Blocks& blocks, std::size_t sum_size,
                                 const Visit& visit) const {
  const std::size_t q = stride();
  const std::size_t n_blocks = (blocks.rows + block_rows_ - 1) / block_rows_;
  const std::size_t units = std::clamp(blocks.rows * outputs_ * (q + kWorkOfLoss) / kLeastWork,
                                       std::size_t{1}, std::min(n_blocks, kMostUnits));
  const bool in_order = rows() == x_.rows;
  std::vector<VectorXd> sums(units);
  std::vector<std::vector<double>> rooms(std::max<std::size_t>(1, budget_.cores()));
  budget_.for_each(
      units,
      [&](std::size_t unit, std::size_t lane) {
        std::vector<double>& room = rooms[lane];
        room.resize(block_rows_ * (outputs_ + q));
        sums[unit] = VectorXd::Zero(index(sum_size));
        for (std::size_t b = unit * n_blocks / units; b < (unit + 1) * n_blocks / units; ++b) {
          const std::size_t first = b * block_rows_;
          const std::size_t count = std::min(block_rows_, blocks.rows - first);
          const std::size_t padded = round_up(count, kGramLanes);
          double* scores = room.data();
          double* read_block = scores + block_rows_ * outputs_;
          const double* block = read_block;
          if (blocks.numbers != nullptr) {
            block = blocks.numbers + first * q;
          } else if (in_order) {
            prefetch(first + block_rows_);
            read([first](std::size_t k) { return first + k; }, count, padded, read_block);
          } else {
            read([&](std::size_t k) { return rows_.rows[first + k]; }, count, padded, read_block);
          }
          std::fill(scores, scores + outputs_ * padded, 0.0);
          visit(block, padded, first, scores, sums[unit].data());
        }
      },
      max_cores());
  for (std::size_t unit = 1; unit < units; ++unit) sums[0] += sums[unit];
  return std::move(sums[0]);
}

void LogisticProblem::add_penalty(const VectorXd& of, VectorXd& to) const {
  for (std::size_t c = 0; c < outputs_; ++c) {
    const Eigen::Index first = index(c * stride());
    to.segment(first, index(cols())) += options_.penalty * of.segment(first, index(cols()));
    // A direction without a slope of its own must not be singular.
    if (!options_.fit_intercept) to(first + index(cols())) = of(first + index(cols()));
  }
}

double LogisticProblem::evaluate(const VectorXd& parameters, VectorXd& gradient) {
  const std::size_t q = stride();
  const std::size_t n_parameters = outputs_ * q;
  const VectorXd sums = add_up(
      {.rows = rows(), .numbers = numbers_.empty() ? nullptr : numbers_.data()}, n_parameters + 1,
      [&](const double* block, std::size_t padded, std::size_t first, double* scores, double* sum) {
        gram_kernels_.add_scores(block, padded, q, parameters.data(), outputs_, scores);
        sum[n_parameters] += kernels_.take_loss(
            scores, padded, outputs_, rows_.classes.data() + first, rows_.weights.data() + first,
            probabilities_.data() + first * outputs_, doubts_.data() + first);
        gram_kernels_.add_slopes(block, padded, q, scores, outputs_, sum);
      });
  gradient = sums.head(index(n_parameters));
  double square = 0.0;
  for (std::size_t c = 0; c < outputs_; ++c)
    square += parameters.segment(index(c * q), index(cols())).squaredNorm();
  add_penalty(parameters, gradient);
  at_zero_ = parameters.isZero(0.0);
  return sums(index(n_parameters)) + 0.5 * options_.penalty * square;
}

bool LogisticProblem::choose_curved_rows(bool all) {
  curved_ = {.rows = rows(),
             .numbers = numbers_.empty() ? nullptr : numbers_.data(),
             .weights = rows_.weights.data(),
             .probabilities = probabilities_.data()};
  if (all) return false;
  const double total = std::accumulate(doubts_.begin(), doubts_.end(), 0.0);
  const double least = kNegligible * total / static_cast<double>(rows());
  const auto is_curved = [&](std::size_t i) { return doubts_[i] >= least; };
  std::size_t n = 0;
  for (std::size_t i = 0; i < rows(); ++i) n += is_curved(i) ? 1 : 0;
  if (n == 0 || n > rows() / 10 * 9 || n * stride() > kKeptNumbers) return false;
  std::vector<std::uint32_t> at;
  curved_weights_.assign(round_up(n, kGramLanes), 0.0);
  curved_probabilities_.assign(outputs_ * round_up(n, kGramLanes), 0.0);
  const auto padded_of = [&](std::size_t first, std::size_t n_rows) {
    return round_up(std::min(block_rows_, n_rows - first), kGramLanes);
  };
  for (std::size_t i = 0; i < rows(); ++i) {
    if (!is_curved(i)) continue;
    const std::size_t to = at.size();
    const std::size_t from_first = i / block_rows_ * block_rows_;
    const std::size_t to_first = to / block_rows_ * block_rows_;
    const std::size_t from_padded = padded_of(from_first, rows());
    const std::size_t to_padded = padded_of(to_first, n);
    for (std::size_t c = 0; c < outputs_; ++c) {
      curved_probabilities_[to_first * outputs_ + c * to_padded + to - to_first] =
          probabilities_[from_first * outputs_ + c * from_padded + i - from_first];
    }
    curved_weights_[to] = rows_.weights[i];
    at.push_back(rows_.rows[i]);
  }
  curved_numbers_ = read_all(at);
  curved_ = {.rows = n,
             .numbers = curved_numbers_.data(),
             .weights = curved_weights_.data(),
             .probabilities = curved_probabilities_.data()};
  return true;
}

VectorXd LogisticProblem::hessian_times(const VectorXd& direction) const {
  const std::size_t q = stride();
  VectorXd product = add_up(
      curved_, outputs_ * q,
      [&](const double* block, std::size_t padded, std::size_t first, double* scores, double* sum) {
        gram_kernels_.add_scores(block, padded, q, direction.data(), outputs_, scores);
        kernels_.take_curvature(curved_.probabilities + first * outputs_, curved_.weights + first,
                                padded, outputs_, scores);
        gram_kernels_.add_slopes(block, padded, q, scores, outputs_, sum);
      });
  add_penalty(direction, product);
  return product;
}

/// The sum of weight x curvature(p) x row x row', from the rows that have most of it. p[c x padded]
/// is a row's probability of output c.
template <class Curvature>
MatrixXd LogisticProblem::rough_gram(const Curvature& curvature) const {
  const std::size_t q = stride();
  std::vector<double> curvatures(rows());
  double total = 0.0;
  for (std::size_t first = 0; first < rows(); first += block_rows_) {
    const std::size_t count = std::min(block_rows_, rows() - first);
    const double* p = probabilities_.data() + first * outputs_;
    for (std::size_t k = 0; k < count; ++k) {
      curvatures[first + k] =
          rows_.weights[first + k] * curvature(p + k, round_up(count, kGramLanes));
      total += curvatures[first + k];
    }
  }
  const double least = kNegligible * total / static_cast<double>(rows());
  std::vector<std::uint32_t> kept;
  for (std::size_t i = 0; i < rows(); ++i) {
    if (curvatures[i] > 0.0 && curvatures[i] >= least)
      kept.push_back(static_cast<std::uint32_t>(i));
  }
  const std::size_t most = std::max(kRoughRows, kRoughRowsPerColumn * q);
  const std::size_t step = std::max<std::size_t>(1, kept.size() / most);
  std::vector<double> sums(q * q, 0.0);
  std::vector<double> block(block_rows_ * q);
  std::vector<double> roots(block_rows_);
  std::size_t next = 0;
  while (next < kept.size()) {
    const std::size_t count = std::min(block_rows_, (kept.size() - next + step - 1) / step);
    const std::size_t padded = round_up(count, kGramLanes);
    read([&](std::size_t k) { return rows_.rows[kept[next + k * step]]; }, count, padded,
         block.data());
    for (std::size_t k = 0; k < count; ++k)
      roots[k] = std::sqrt(static_cast<double>(step) * curvatures[kept[next + k * step]]);
    for (std::size_t j = 0; j < q; ++j) {
      for (std::size_t k = 0; k < count; ++k) block[j * padded + k] *= roots[k];
    }
    gram_kernels_.add_gram(block.data(), padded, q, sums.data());
    next += count * step;
  }
  MatrixXd gram(index(q), index(q));
  for (std::size_t i = 0; i < q; ++i) {
    for (std::size_t j = i; j < q; ++j)
      gram(index(i), index(j)) = gram(index(j), index(i)) = sums[i * q + j];
  }
  return gram;
}

std::vector<MatrixXd> LogisticProblem::rough_hessian_blocks() const {
  std::vector<MatrixXd> blocks(at_zero_ ? 1 : outputs_);
  budget_.for_each(
      blocks.size(),
      [&](std::size_t c, std::size_t) {
        MatrixXd& block = blocks[c];
        block = rough_gram([&](const double* p, std::size_t padded) {
          return p[c * padded] * (1.0 - p[c * padded]);
        });
        block.diagonal().head(index(cols())).array() += options_.penalty;
        if (!options_.fit_intercept) block(index(cols()), index(cols())) = 1.0;
      },
      max_cores());
  return blocks;
}

MatrixXd LogisticProblem::rough_hessian() const {
  if (outputs_ == 1) return rough_hessian_blocks()[0];
  // A class's curvature is the sum of what it shares with each other one.
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t c = 0; c < outputs_; ++c) {
    for (std::size_t d = c + 1; d < outputs_; ++d) pairs.emplace_back(c, d);
  }
  std::vector<MatrixXd> shared(at_zero_ ? 1 : pairs.size());
  budget_.for_each(
      shared.size(),
      [&](std::size_t at, std::size_t) {
        const auto [c, d] = pairs[at];
        shared[at] = rough_gram([c = c, d = d](const double* p, std::size_t padded) {
          return p[c * padded] * p[d * padded];
        });
      },
      max_cores());
  const Eigen::Index q = index(stride());
  const Eigen::Index k = index(outputs_);
  MatrixXd hessian = MatrixXd::Zero(k * q, k * q);
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    const Eigen::Index c = index(pairs[at].first) * q;
    const Eigen::Index d = index(pairs[at].second) * q;
    const MatrixXd& gram = shared[at_zero_ ? 0 : at];
    hessian.block(c, c, q, q) += gram;
    hessian.block(d, d, q, q) += gram;
    hessian.block(c, d, q, q) = hessian.block(d, c, q, q) = -gram;
  }
  VectorXd alike = VectorXd::Zero(q);
  for (Eigen::Index c = 0; c < k; ++c) {
    hessian.diagonal().segment(c * q, q - 1).array() += options_.penalty;
    if (!options_.fit_intercept) hessian(c * q + q - 1, c * q + q - 1) = 1.0;
    alike += hessian.diagonal().segment(c * q, q) / static_cast<double>(k * k);
  }
  for (Eigen::Index c = 0; c < k; ++c) {
    for (Eigen::Index d = 0; d < k; ++d) hessian.block(c * q, d * q, q, q).diagonal() += alike;
  }
  return hessian;
}

}  // namespace mutirao::models::internal
