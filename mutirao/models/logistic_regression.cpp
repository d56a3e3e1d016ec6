#include "mutirao/models/logistic_regression.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/exponential.hpp"
#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/logistic_parameters.hpp"
#include "mutirao/models/internal/newton.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/internal/training_rows.hpp"

namespace mutirao::models {
namespace {

/// The classes that have rows, their place among these per class, and what each class counts.
struct SeenClasses {
  std::vector<std::uint32_t> classes;
  std::vector<std::uint32_t> place;
  std::vector<double> weight;
};

SeenClasses see(const TrainingSet& training, std::size_t n_classes, bool balanced) {
  std::vector<double> rows(n_classes, 0.0);
  double all = 0.0;
  internal::for_each_row(training, [&](std::size_t row, double) {
    rows[static_cast<std::size_t>(training.y[row])] += 1.0;
    all += 1.0;
  });
  SeenClasses seen{.classes = {},
                   .place = std::vector<std::uint32_t>(n_classes, 0),
                   .weight = std::vector<double>(n_classes, 1.0)};
  for (std::uint32_t c = 0; c < n_classes; ++c) {
    if (rows[c] == 0.0) continue;
    seen.place[c] = static_cast<std::uint32_t>(seen.classes.size());
    seen.classes.push_back(c);
  }
  if (seen.classes.size() == 1) {
    throw core::InvalidInput(
        fmt::format("logistic regression needs two classes, and all rows are of class {}",
                    seen.classes[0]),
        "give rows of another class, too");
  }
  if (balanced) {
    for (const std::uint32_t c : seen.classes)
      seen.weight[c] = all / (static_cast<double>(seen.classes.size()) * rows[c]);
  }
  return seen;
}

/// Numbers near the means of the columns in these rows.
std::vector<double> shifts_of(const TrainingSet& training, std::span<const std::uint32_t> rows,
                              bool fit_intercept, const FitContext& context) {
  std::vector<double> shifts(training.x.cols, 0.0);
  if (!fit_intercept) return shifts;
  TrainingSet learned = training;
  learned.rows = rows;
  internal::ColumnBlocks blocks(learned, internal::all_columns(learned),
                                internal::budget_of(context), context.max_cores);
  blocks.guess_shifts();
  for (std::size_t j = 0; j < shifts.size(); ++j) shifts[j] = blocks.shifts()[j].first;
  return shifts;
}

}  // namespace

LogisticRegression::LogisticRegression(Options options) : options_(std::move(options)) {
  internal::check_options(kName, internal::logistic_regression_parameters(), options_);
}

void LogisticRegression::fit(const TrainingSet& training, const FitContext& context) {
  const std::size_t n_classes = check_classes(training);
  internal::throw_if_stopped(context);
  const SeenClasses seen = see(training, n_classes, options_.class_weight == "balanced");
  internal::ClassedRows rows;
  const std::size_t most = training.rows ? training.rows->size() : training.x.rows;
  rows.rows.reserve(most);
  rows.classes.reserve(most);
  rows.weights.reserve(most + internal::kGramLanes);
  double total = 0.0;
  internal::for_each_row(training, [&](std::size_t row, double weight) {
    const auto c = static_cast<std::size_t>(training.y[row]);
    rows.rows.push_back(static_cast<std::uint32_t>(row));
    rows.classes.push_back(seen.place[c]);
    rows.weights.push_back(weight * seen.weight[c]);
    total += rows.weights.back();
  });
  if (!std::isfinite(total)) {
    throw core::InvalidInput("the sample weights are too large to be summed",
                             "divide them all by one number");
  }
  exec::CoreBudget& budget = internal::budget_of(context);
  const std::vector<double> shifts =
      shifts_of(training, rows.rows, options_.fit_intercept, context);
  internal::LogisticProblem problem(
      training.x, shifts, std::move(rows),
      {.n_classes = seen.classes.size(),
       .fit_intercept = options_.fit_intercept,
       // Of the mean loss: the objective divided by C and by the weight of all rows.
       .penalty = options_.penalty == "none" ? 0.0 : 1.0 / (options_.C * total),
       .max_cores = context.max_cores},
      budget);
  const internal::NewtonResult found =
      internal::minimise(problem, options_.tol / total, options_.max_iter, context);
  if (!found.finite) internal::throw_too_large(training, budget, context.max_cores);
  if (!found.converged && context.warn) {
    context.warn(
        fmt::format("{} has not converged: after {} steps the largest slope is {:.3g}, and tol is "
                    "{:.3g} (raise "
                    "max_iter or tol; a larger penalty, a smaller C, converges sooner)",
                    kName, found.steps, found.steepest * total, options_.tol));
  }
  const std::size_t p = training.x.cols;
  std::vector<double> coefficients;
  std::vector<double> intercepts;
  for (std::size_t c = 0; c < problem.outputs(); ++c) {
    const double* row = found.parameters.data() + c * problem.stride();
    coefficients.insert(coefficients.end(), row, row + p);
    long double intercept = options_.fit_intercept ? row[p] : 0.0;
    for (std::size_t j = 0; j < p; ++j) intercept -= row[j] * static_cast<long double>(shifts[j]);
    intercepts.push_back(static_cast<double>(intercept));
  }
  coefficients_ = std::move(coefficients);
  intercepts_ = std::move(intercepts);
  seen_ = seen.classes;
  n_classes_ = n_classes;
  n_features_ = p;
  if (context.progress) context.progress(1, 1);
}

ParameterMap LogisticRegression::parameters() const {
  return internal::write_parameters(internal::logistic_regression_parameters(), options_);
}

std::unique_ptr<Estimator> LogisticRegression::clone() const {
  return std::make_unique<LogisticRegression>(options_);
}

template <class Take>
void LogisticRegression::score(data::MatrixView x,
                               std::optional<std::span<const std::uint32_t>> rows, std::size_t n,
                               exec::CoreBudget& budget, const Take& take) const {
  // Of differences, infinite scores would make no numbers.
  constexpr double kMost = 1e300;
  constexpr std::size_t kRows = 64;    // of a block, and
  constexpr std::size_t kBlocks = 32;  // of them a unit of work
  const internal::GramKernels& kernels = internal::gram_kernels(core::instruction_set());
  const std::size_t outputs = intercepts_.size();
  budget.for_each((n + kRows * kBlocks - 1) / (kRows * kBlocks), [&](std::size_t unit,
                                                                     std::size_t) {
    std::vector<double> block(kRows * n_features_);
    std::vector<double> scores(kRows * outputs);
    const std::size_t last = std::min(n, (unit + 1) * kRows * kBlocks);
    for (std::size_t first = unit * kRows * kBlocks; first < last; first += kRows) {
      const std::size_t count = std::min(kRows, last - first);
      for (std::size_t j = 0; j < n_features_; ++j) {
        const double* column = x.column(j).data();
        double* to = block.data() + j * kRows;
        if (rows) {
          for (std::size_t k = 0; k < count; ++k) to[k] = column[(*rows)[first + k]];
        } else {
          std::copy_n(column + first, count, to);
        }
      }
      for (std::size_t c = 0; c < outputs; ++c)
        std::fill_n(scores.begin() + static_cast<std::ptrdiff_t>(c * kRows), kRows, intercepts_[c]);
      kernels.add_scores(block.data(), kRows, n_features_, coefficients_.data(), outputs,
                         scores.data());
      for (std::size_t at = 0; at < outputs * kRows; ++at) {
        const std::size_t k = at % kRows;
        if (k >= count) continue;
        if (std::isnan(scores[at])) {
          throw core::InvalidInput(
              fmt::format("a value is missing, or too large, in row {} of what {} is to predict",
                          rows ? (*rows)[first + k] : first + k, kName),
              "fill the empty cells, and scale the columns");
        }
        scores[at] = std::clamp(scores[at], -kMost, kMost);
      }
      take(first, count, scores.data(), kRows);
    }
  });
}

void LogisticRegression::predict_rows(data::MatrixView x,
                                      std::optional<std::span<const std::uint32_t>> rows,
                                      std::span<double> out, exec::CoreBudget& budget) const {
  // The likeliest class has the highest score: no probability is needed.
  score(x, rows, out.size(), budget,
        [&](std::size_t first, std::size_t count, const double* scores, std::size_t stride) {
          for (std::size_t k = 0; k < count; ++k) {
            std::size_t best = intercepts_.size() == 1 && scores[k] > 0.0 ? 1 : 0;
            for (std::size_t c = 1; c < intercepts_.size(); ++c) {
              if (scores[c * stride + k] > scores[best * stride + k]) best = c;
            }
            out[first + k] = seen_[best];
          }
        });
}

void LogisticRegression::predict_proba_rows(data::MatrixView x,
                                            std::optional<std::span<const std::uint32_t>> rows,
                                            std::span<double> out, exec::CoreBudget& budget) const {
  const std::size_t outputs = intercepts_.size();
  std::fill(out.begin(), out.end(), 0.0);
  score(x, rows, out.size() / n_classes_, budget,
        [&](std::size_t first, std::size_t count, const double* scores, std::size_t stride) {
          for (std::size_t k = 0; k < count; ++k) {
            double* row = out.data() + (first + k) * n_classes_;
            const double* own = scores + k;
            if (outputs == 1) {
              const double small = internal::exp_of_negative(-std::abs(*own));
              const double likely = 1.0 / (1.0 + small);
              row[seen_[*own >= 0.0 ? 1 : 0]] = likely;
              row[seen_[*own >= 0.0 ? 0 : 1]] = small * likely;
              continue;
            }
            double highest = *own;
            for (std::size_t c = 1; c < outputs; ++c) highest = std::max(highest, own[c * stride]);
            double sum = 0.0;
            for (std::size_t c = 0; c < outputs; ++c)
              sum += row[seen_[c]] = internal::exp_of_negative(own[c * stride] - highest);
            for (std::size_t c = 0; c < outputs; ++c) row[seen_[c]] /= sum;
          }
        });
}

void LogisticRegression::save(SectionWriter& writer) const {
  writer.add("coefficients", std::span<const double>(coefficients_));
  writer.add("intercepts", std::span<const double>(intercepts_));
  writer.add("seen_classes", std::span<const std::uint32_t>(seen_));
  const std::array<std::uint64_t, 2> shape = {n_classes_, n_features_};
  writer.keep("classes_features", std::span<const std::uint64_t>(shape));
}

void LogisticRegression::load(const SectionReader& reader) {
  const auto coefficients = reader.get<double>("coefficients");
  const auto intercepts = reader.get<double>("intercepts");
  const auto seen = reader.get<std::uint32_t>("seen_classes");
  const auto shape = reader.get<std::uint64_t>("classes_features");
  const bool whole =
      shape.size() == 2 && shape[0] >= 2 && shape[0] <= 65536 && seen.size() >= 2 &&
      intercepts.size() == (seen.size() == 2 ? 1 : seen.size()) && shape[1] >= 1 &&
      coefficients.size() / shape[1] == intercepts.size() && coefficients.size() % shape[1] == 0 &&
      seen.back() < shape[0] &&
      std::adjacent_find(seen.begin(), seen.end(), std::greater_equal<>()) == seen.end();
  if (!whole) throw core::CorruptFile("the logistic regression is not well formed");
  coefficients_.assign(coefficients.begin(), coefficients.end());
  intercepts_.assign(intercepts.begin(), intercepts.end());
  seen_.assign(seen.begin(), seen.end());
  n_classes_ = shape[0];
  n_features_ = shape[1];
}

}  // namespace mutirao::models
