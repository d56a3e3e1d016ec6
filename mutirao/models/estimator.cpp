#include "mutirao/models/estimator.hpp"

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
  for (const std::uint32_t row : rows) {
    if (row >= x.rows) {
      throw core::InvalidArgument(
          fmt::format("row {} is asked for, but there are {} rows", row, x.rows));
    }
  }
  std::vector<double> out(rows.size());
  predict_rows(x, rows, out, or_current(budget));
  return out;
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

}  // namespace mutirao::models
