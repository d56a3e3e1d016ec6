#include "mutirao/models/estimator.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models {
namespace {

void check_predict(const Estimator& estimator, data::MatrixView x) {
  if (!estimator.fitted()) {
    throw core::InvalidArgument(fmt::format("{} has not been fitted", estimator.name()),
                                "call fit() before predict()");
  }
  if (x.cols != estimator.n_features()) {
    throw core::InvalidArgument(fmt::format("{} was fitted on {} columns and is given {}",
                                            estimator.name(), estimator.n_features(), x.cols),
                                "predict with the columns of the training data");
  }
}

void check_rows(data::MatrixView x, std::span<const std::uint32_t> rows) {
  for (const std::uint32_t row : rows) {
    if (row >= x.rows) {
      throw core::InvalidArgument(
          fmt::format("row {} is asked for, but there are {} rows", row, x.rows));
    }
  }
}

void check_has_classes(const Estimator& estimator) {
  if (estimator.task() == data::Task::kClassification) return;
  throw core::InvalidArgument(
      fmt::format("{} predicts numbers and has no probabilities", estimator.name()),
      "call predict(), or fit a classifier");
}

exec::CoreBudget& or_current(exec::CoreBudget* budget) {
  return budget != nullptr ? *budget : exec::CoreBudget::current();
}

}  // namespace

std::vector<double> Estimator::predict(data::MatrixView x, exec::CoreBudget* budget) const {
  check_predict(*this, x);
  std::vector<double> out(x.rows);
  predict_rows(x, std::nullopt, out, or_current(budget));
  return out;
}

std::vector<double> Estimator::predict(data::MatrixView x, std::span<const std::uint32_t> rows,
                                       exec::CoreBudget* budget) const {
  check_predict(*this, x);
  check_rows(x, rows);
  std::vector<double> out(rows.size());
  predict_rows(x, rows, out, or_current(budget));
  return out;
}

std::vector<double> Estimator::predict_proba(data::MatrixView x, exec::CoreBudget* budget) const {
  check_has_classes(*this);
  check_predict(*this, x);
  std::vector<double> out(x.rows * n_classes());
  predict_proba_rows(x, std::nullopt, out, or_current(budget));
  return out;
}

std::vector<double> Estimator::predict_proba(data::MatrixView x,
                                             std::span<const std::uint32_t> rows,
                                             exec::CoreBudget* budget) const {
  check_has_classes(*this);
  check_predict(*this, x);
  check_rows(x, rows);
  std::vector<double> out(rows.size() * n_classes());
  predict_proba_rows(x, rows, out, or_current(budget));
  return out;
}

const std::vector<double>& Estimator::feature_importances() const noexcept {
  static const std::vector<double> none;
  return none;
}

void Estimator::predict_proba_rows(data::MatrixView /*x*/,
                                   std::optional<std::span<const std::uint32_t>> /*rows*/,
                                   std::span<double> /*out*/, exec::CoreBudget& /*budget*/) const {
  check_has_classes(*this);
}

void Estimator::check(const TrainingSet& training) {
  const data::MatrixView& x = training.x;
  if (training.y.size() != x.rows) {
    throw core::InvalidArgument(
        fmt::format("x has {} rows and y has {}", x.rows, training.y.size()));
  }
  if (x.cols == 0) throw core::InvalidInput("there are no columns to learn from");
  if (!training.sample_weight.empty() && training.sample_weight.size() != x.rows) {
    throw core::InvalidArgument(fmt::format("x has {} rows and there are {} sample weights", x.rows,
                                            training.sample_weight.size()));
  }
  double weight = 0.0;
  const auto check_row = [&](std::size_t row) {
    if (!std::isfinite(training.y[row])) {
      throw core::InvalidInput(fmt::format("the target is not a finite number in row {}", row),
                               "drop the rows whose target is missing");
    }
    const double w = training.sample_weight.empty() ? 1.0 : training.sample_weight[row];
    if (!(w >= 0.0) || std::isinf(w)) {
      throw core::InvalidInput(fmt::format("the sample weight in row {} is {}", row, w),
                               "weights are finite and not negative");
    }
    weight += w;
  };
  if (training.rows) {
    std::size_t next = 0;
    for (const std::uint32_t row : *training.rows) {
      if (row < next || row >= x.rows) {
        throw core::InvalidArgument(
            "the rows to learn from must be increasing and must be rows of x");
      }
      next = std::size_t{row} + 1;
      check_row(row);
    }
  } else {
    for (std::size_t row = 0; row < x.rows; ++row) check_row(row);
  }
  if (!(weight > 0.0)) throw core::InvalidInput("there are no rows to learn from");
}

void Classifier::predict_rows(data::MatrixView x,
                              std::optional<std::span<const std::uint32_t>> rows,
                              std::span<double> out, exec::CoreBudget& budget) const {
  const std::size_t classes = n_classes();
  std::vector<double> probabilities(out.size() * classes);
  predict_proba_rows(x, rows, probabilities, budget);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto first = probabilities.begin() + static_cast<std::ptrdiff_t>(i * classes);
    out[i] = static_cast<double>(
        std::max_element(first, first + static_cast<std::ptrdiff_t>(classes)) - first);
  }
}

std::size_t Classifier::check_classes(const TrainingSet& training) {
  // More would be a target that is no class: the table of probabilities alone would not fit memory.
  constexpr double kMostClasses = 65536.0;
  check(training);
  double largest = 0.0;
  const auto check_row = [&](std::size_t row) {
    const double y = training.y[row];
    if (!(y >= 0.0) || y != std::floor(y) || y >= kMostClasses ||
        (training.n_classes != 0 && y >= static_cast<double>(training.n_classes))) {
      throw core::InvalidInput(
          fmt::format("the target in row {} is {}, no index of a class", row, y),
          "number the classes 0, 1, 2, ...");
    }
    largest = std::max(largest, y);
  };
  if (training.rows) {
    for (const std::uint32_t row : *training.rows) check_row(row);
  } else {
    for (std::size_t row = 0; row < training.x.rows; ++row) check_row(row);
  }
  return training.n_classes != 0 ? training.n_classes : static_cast<std::size_t>(largest) + 1;
}

}  // namespace mutirao::models
