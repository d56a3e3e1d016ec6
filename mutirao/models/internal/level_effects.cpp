#include "mutirao/models/internal/level_effects.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "mutirao/core/error.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {
namespace {

/// Rows on the mean that every effect is learned with besides its own.
constexpr double kPriorRows = 10.0;
/// Numbers that the linear model has at most: those that go most with the target.
constexpr std::size_t kMostNumbers = 32;
/// Levels that it has at most; the effects of larger categories are learned on what it leaves.
constexpr std::size_t kMostLevels = 256;
/// Positions of codes are floats.
constexpr double kMostCode = 16777216.0;
/// Rows are summed up in so many parts, whatever the number of threads.
constexpr std::size_t kParts = 16;
constexpr std::size_t kSteps = 64;  // of the power method

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Category {
  std::size_t column = 0;
  std::vector<double> weight;  // of the rows of each code
  bool has_missing = false;
  std::size_t first = 0;  // of its codes' unknowns, if it is in the linear model
  Matrix effects;         // codes x outputs
};

struct Number {
  std::size_t column = 0;
  double mean = 0.0;
  double scale = 1.0;

  double standardized(double value) const noexcept {
    return std::isnan(value) ? 0.0 : (double{to_float32(value)} - mean) / scale;
  }
};

/// What is learned from: row i of the fit, its weight (their mean is 1) and its target.
class Rows {
 public:
  Rows(const TrainingSet& training, const WeightedRows& rows, std::size_t n_classes)
      : training_(training), rows_(rows), n_classes_(n_classes) {
    const std::size_t n = rows.rows.size();
    double total = static_cast<double>(n);
    if (!rows.weights.empty())
      total = std::accumulate(rows.weights.begin(), rows.weights.end(), 0.0);
    per_row_ = static_cast<double>(n) / total;
    // Scaled, as targets may be as large as a double; only the order of effects counts.
    if (n_classes == 0) {
      for (const std::uint32_t row : rows.rows)
        scale_ = std::max(scale_, std::abs(training.y[row]));
      if (scale_ == 0.0) scale_ = 1.0;
    }
    means_.assign(outputs(), 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      const auto [output, y] = target(i);
      means_[output] += weight(i) * y / static_cast<double>(n);
    }
  }

  std::size_t size() const noexcept { return rows_.rows.size(); }
  std::size_t row(std::size_t i) const noexcept { return rows_.rows[i]; }
  double weight(std::size_t i) const noexcept {
    return rows_.weights.empty() ? 1.0 : rows_.weights[i] * per_row_;
  }
  double value(std::size_t i, std::size_t column) const noexcept {
    return training_.x(row(i), column);
  }
  /// One for numbers, else one per class.
  std::size_t outputs() const noexcept { return std::max<std::size_t>(1, n_classes_); }
  /// The one output that is not 0, and what it is.
  std::pair<std::size_t, double> target(std::size_t i) const noexcept {
    const double y = training_.y[row(i)];
    if (n_classes_ == 0) return {0, y / scale_};
    return {static_cast<std::size_t>(y), 1.0};
  }
  double mean(std::size_t output) const noexcept { return means_[output]; }

 private:
  const TrainingSet& training_;
  const WeightedRows& rows_;
  std::size_t n_classes_;
  double per_row_ = 1.0;
  double scale_ = 0.0;
  std::vector<double> means_;
};

Category category_of(const Rows& rows, std::size_t column) {
  Category category{.column = column};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = rows.value(i, column);
    if (std::isnan(value)) {
      category.has_missing = true;
      continue;
    }
    if (!(value >= 0.0 && value < kMostCode) || value != std::floor(value)) {
      throw core::InvalidInput(
          fmt::format("column {} is a category, and row {} has {} there", column, rows.row(i),
                      value),
          "categories are whole numbers from 0 to 16777215, NaN where they are missing");
    }
    const auto code = static_cast<std::size_t>(value);
    if (code >= category.weight.size()) category.weight.resize(code + 1, 0.0);
    category.weight[code] += rows.weight(i);
  }
  return category;
}

/// The numbers that go most with the target, and how they are standardized.
std::vector<Number> choose_numbers(const Rows& rows, std::size_t n_columns,
                                   const std::vector<Category>& categories,
                                   exec::CoreBudget& budget, std::size_t max_cores) {
  std::vector<Number> numbers(n_columns);
  std::vector<double> share(n_columns, -1.0);  // of the target's variance; none: not a number
  std::vector<bool> is_category(n_columns, false);
  for (const Category& category : categories) is_category[category.column] = true;
  budget.for_each(
      n_columns,
      [&](std::size_t j, std::size_t) {
        if (is_category[j]) return;
        double weight = 0.0;
        double sum = 0.0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const double value = rows.value(i, j);
          if (std::isnan(value)) continue;
          weight += rows.weight(i);
          sum += rows.weight(i) * double{to_float32(value)};
        }
        if (weight == 0.0) return;
        Number number{.column = j, .mean = sum / weight};
        double squares = 0.0;
        std::vector<double> products(rows.outputs(), 0.0);
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const double off = number.standardized(rows.value(i, j));
          const auto [output, y] = rows.target(i);
          squares += rows.weight(i) * off * off;
          products[output] += rows.weight(i) * off * y;
        }
        number.scale = std::sqrt(squares / static_cast<double>(rows.size()));
        if (!(number.scale > 0.0)) return;
        share[j] = 0.0;
        for (const double product : products) share[j] += product * product / squares;
        numbers[j] = number;
      },
      max_cores);
  std::vector<std::size_t> chosen(n_columns);
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  std::erase_if(chosen, [&](std::size_t j) { return share[j] < 0.0; });
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](std::size_t a, std::size_t b) { return share[a] > share[b]; });
  chosen.resize(std::min(chosen.size(), kMostNumbers));
  std::sort(chosen.begin(), chosen.end());
  std::vector<Number> result;
  result.reserve(chosen.size());
  for (const std::size_t j : chosen) result.push_back(numbers[j]);
  return result;
}

/// The normal equations of a part of the rows: numbers first, then the codes of each category.
struct Sums {
  Matrix products;  // lower triangle
  Matrix targets;   // unknowns x outputs
};

class LinearModel {
 public:
  LinearModel(const Rows& rows, std::vector<Number> numbers, std::vector<Category*> categories)
      : rows_(rows), numbers_(std::move(numbers)), categories_(std::move(categories)) {
    unknowns_ = numbers_.size();
    for (Category* category : categories_) {
      category->first = unknowns_;
      unknowns_ += category->weight.size();
    }
  }

  void solve(exec::CoreBudget& budget, std::size_t max_cores) {
    std::vector<Sums> parts(std::min(kParts, rows_.size()));
    budget.for_each(
        parts.size(),
        [&](std::size_t part, std::size_t) {
          sum(part * rows_.size() / parts.size(), (part + 1) * rows_.size() / parts.size(),
              parts[part]);
        },
        max_cores);
    for (std::size_t part = 1; part < parts.size(); ++part) {
      parts[0].products += parts[part].products;
      parts[0].targets += parts[part].targets;
    }
    parts[0].products.diagonal().array() += kPriorRows;
    solution_ = parts[0].products.selfadjointView<Eigen::Lower>().llt().solve(parts[0].targets);
    for (Category* category : categories_) {
      category->effects = solution_.middleRows(static_cast<Eigen::Index>(category->first),
                                               static_cast<Eigen::Index>(category->weight.size()));
    }
  }

  /// The effects of a category that is not in the model, on what the model leaves.
  void learn_besides(Category& category) const {
    const std::size_t outputs = rows_.outputs();
    category.effects = Matrix::Zero(static_cast<Eigen::Index>(category.weight.size()),
                                    static_cast<Eigen::Index>(outputs));
    std::vector<double> values(numbers_.size());
    std::vector<std::size_t> levels;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const double code = rows_.value(i, category.column);
      if (std::isnan(code)) continue;
      load(i, values, levels);
      const auto [output, y] = rows_.target(i);
      auto effect = category.effects.row(static_cast<Eigen::Index>(code));
      for (std::size_t k = 0; k < outputs; ++k) {
        const auto column = static_cast<Eigen::Index>(k);
        double left = (k == output ? y : 0.0) - rows_.mean(k);
        for (std::size_t a = 0; a < values.size(); ++a)
          left -= values[a] * solution_(static_cast<Eigen::Index>(a), column);
        for (const std::size_t level : levels)
          left -= solution_(static_cast<Eigen::Index>(level), column);
        effect[column] += rows_.weight(i) * left;
      }
    }
    for (std::size_t code = 0; code < category.weight.size(); ++code)
      category.effects.row(static_cast<Eigen::Index>(code)) /= category.weight[code] + kPriorRows;
  }

 private:
  /// The numbers of a row, and the unknowns of its levels, increasing.
  void load(std::size_t i, std::vector<double>& values, std::vector<std::size_t>& levels) const {
    for (std::size_t a = 0; a < numbers_.size(); ++a)
      values[a] = numbers_[a].standardized(rows_.value(i, numbers_[a].column));
    levels.clear();
    for (const Category* category : categories_) {
      const double code = rows_.value(i, category->column);
      if (!std::isnan(code)) levels.push_back(category->first + static_cast<std::size_t>(code));
    }
  }

  void sum(std::size_t first, std::size_t last, Sums& sums) const {
    const auto size = static_cast<Eigen::Index>(unknowns_);
    const std::size_t outputs = rows_.outputs();
    sums.products = Matrix::Zero(size, size);
    sums.targets = Matrix::Zero(size, static_cast<Eigen::Index>(outputs));
    std::vector<double> totals(unknowns_, 0.0);  // of each unknown's column
    std::vector<double> values(numbers_.size());
    std::vector<std::size_t> levels;
    for (std::size_t i = first; i < last; ++i) {
      load(i, values, levels);
      const double weight = rows_.weight(i);
      const auto [output, y] = rows_.target(i);
      const auto column = static_cast<Eigen::Index>(output);
      for (std::size_t a = 0; a < values.size(); ++a) {
        const double weighted = weight * values[a];
        double* row = &sums.products(static_cast<Eigen::Index>(a), 0);
        for (std::size_t b = 0; b <= a; ++b) row[b] += weighted * values[b];
        sums.targets(static_cast<Eigen::Index>(a), column) += weighted * y;
        totals[a] += weighted;
      }
      for (std::size_t at = 0; at < levels.size(); ++at) {
        double* row = &sums.products(static_cast<Eigen::Index>(levels[at]), 0);
        for (std::size_t b = 0; b < values.size(); ++b) row[b] += weight * values[b];
        for (std::size_t other = 0; other <= at; ++other) row[levels[other]] += weight;
        sums.targets(static_cast<Eigen::Index>(levels[at]), column) += weight * y;
        totals[levels[at]] += weight;
      }
    }
    // Targets less their means.
    for (std::size_t a = 0; a < unknowns_; ++a) {
      for (std::size_t k = 0; k < outputs; ++k)
        sums.targets(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(k)) -=
            totals[a] * rows_.mean(k);
    }
  }

  const Rows& rows_;
  std::vector<Number> numbers_;
  std::vector<Category*> categories_;
  std::size_t unknowns_ = 0;
  Matrix solution_;  // unknowns x outputs
};

/// What levels are ordered by: their effects along the direction in which these differ most.
std::vector<double> keys_of(const Category& category) {
  const std::size_t codes = category.weight.size();
  const auto outputs = static_cast<std::size_t>(category.effects.cols());
  std::vector<double> keys(codes);
  // Of two classes the effects on one are those on the other, turned about.
  if (outputs <= 2) {
    for (std::size_t code = 0; code < codes; ++code)
      keys[code] =
          category.effects(static_cast<Eigen::Index>(code), static_cast<Eigen::Index>(outputs - 1));
    return keys;
  }
  const Eigen::Map<const Eigen::VectorXd> weight(category.weight.data(),
                                                 static_cast<Eigen::Index>(codes));
  Eigen::VectorXd sizes = category.effects.rowwise().squaredNorm().cwiseProduct(weight);
  Eigen::Index largest = 0;
  sizes.maxCoeff(&largest);
  Eigen::VectorXd direction = category.effects.row(largest).transpose();
  for (std::size_t step = 0; step < kSteps && direction.norm() > 0.0; ++step) {
    direction.normalize();
    const Eigen::VectorXd along = (category.effects * direction).cwiseProduct(weight);
    direction = category.effects.transpose() * along;
  }
  const Eigen::VectorXd projected = category.effects * direction;
  std::copy(projected.data(), projected.data() + codes, keys.begin());
  return keys;
}

LevelOrders::Column order(const Category& category) {
  const std::vector<double> keys = keys_of(category);
  std::vector<std::size_t> codes;
  for (std::size_t code = 0; code < category.weight.size(); ++code) {
    if (category.weight[code] > 0.0) codes.push_back(code);
  }
  std::stable_sort(codes.begin(), codes.end(),
                   [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  LevelOrders::Column column{.column = category.column};
  column.positions.assign(category.weight.size(), std::numeric_limits<float>::quiet_NaN());
  std::size_t below = 0;  // levels below the mean
  for (std::size_t position = 0; position < codes.size(); ++position) {
    column.positions[codes[position]] = static_cast<float>(position);
    below += keys[codes[position]] < 0.0 ? 1 : 0;
  }
  if (!category.has_missing) column.otherwise = static_cast<float>(below) - 0.5F;
  return column;
}

void check_categories(const TrainingSet& training) {
  std::size_t least = 0;
  for (const std::size_t column : training.categories) {
    if (column < least || column >= training.x.cols) {
      throw core::InvalidArgument(
          fmt::format("column {} is named as a category, and x has {} columns", column,
                      training.x.cols),
          "name each category once, by increasing column");
    }
    least = column + 1;
  }
}

}  // namespace

LevelOrders learn_level_orders(const TrainingSet& training, const WeightedRows& weighted,
                               std::size_t n_classes, exec::CoreBudget& budget,
                               std::size_t max_cores) {
  check_categories(training);
  if (training.categories.empty()) return {};
  const Rows rows(training, weighted, n_classes);
  std::vector<Category> categories(training.categories.size());
  budget.for_each(
      categories.size(),
      [&](std::size_t i, std::size_t) {
        categories[i] = category_of(rows, training.categories[i]);
      },
      max_cores);

  // The smallest categories are in the model, as many as fit.
  std::vector<Category*> by_size;
  by_size.reserve(categories.size());
  for (Category& category : categories) by_size.push_back(&category);
  std::stable_sort(by_size.begin(), by_size.end(), [](const Category* a, const Category* b) {
    return a->weight.size() < b->weight.size();
  });
  std::size_t codes = 0;
  auto large = by_size.begin();
  for (; large != by_size.end() && codes + (*large)->weight.size() <= kMostLevels; ++large)
    codes += (*large)->weight.size();
  LinearModel model(rows, choose_numbers(rows, training.x.cols, categories, budget, max_cores),
                    std::vector<Category*>(by_size.begin(), large));
  model.solve(budget, max_cores);
  budget.for_each(
      static_cast<std::size_t>(by_size.end() - large),
      [&](std::size_t i, std::size_t) {
        model.learn_besides(*large[static_cast<std::ptrdiff_t>(i)]);
      },
      max_cores);

  std::vector<LevelOrders::Column> columns;
  columns.reserve(categories.size());
  for (const Category& category : categories) columns.push_back(order(category));
  return LevelOrders(std::move(columns));
}

}  // namespace mutirao::models::internal
