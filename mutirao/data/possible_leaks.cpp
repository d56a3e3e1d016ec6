// Which features give the target away; see data/feature_selection.hpp.

#include <algorithm>
#include <numeric>
#include <vector>

#include "mutirao/data/feature_selection.hpp"

namespace mutirao::data {
namespace {

constexpr double kLeakScore = 0.999;

// Squared correlation of a column and the target over the rows where the column is present.
double squared_correlation(const Column& x, std::span<const double> y) {
  double n = 0, mean_x = 0, mean_y = 0, sxx = 0, syy = 0, sxy = 0;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    if (x.is_missing(row)) continue;
    n += 1;
    const double dx = x.numbers[row] - mean_x;
    const double dy = y[row] - mean_y;
    mean_x += dx / n;
    mean_y += dy / n;
    sxx += dx * (x.numbers[row] - mean_x);
    syy += dy * (y[row] - mean_y);
    sxy += dx * (y[row] - mean_y);
  }
  return n > 2 && sxx > 0 && syy > 0 ? sxy * sxy / (sxx * syy) : 0.0;
}

// The share of the variance of `values` that lies between the groups; group_of(row) and
// value_of(row) for the rows where is_there(row).
template <class IsThere, class GroupOf, class ValueOf>
double correlation_ratio(std::size_t rows, std::size_t groups, IsThere is_there, GroupOf group_of,
                         ValueOf value_of) {
  std::vector<double> count(groups), sum(groups);
  double n = 0, total = 0, squares = 0, shift = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    if (!is_there(row)) continue;
    if (n == 0) shift = value_of(row);
    const double value = value_of(row) - shift;
    count[group_of(row)] += 1;
    sum[group_of(row)] += value;
    n += 1;
    total += value;
    squares += value * value;
  }
  if (n == 0) return 0.0;
  const double variance = squares - total * total / n;
  double between = -total * total / n;
  for (std::size_t group = 0; group < groups; ++group) {
    if (count[group] > 0) between += sum[group] * sum[group] / count[group];
  }
  return variance > 0 ? between / variance : 0.0;
}

// The area under the curve of class 1 against class 0 by a column, or one minus it if that is more.
double area_either_way(const Column& x, std::span<const std::uint32_t> classes) {
  std::vector<std::uint32_t> order;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    if (!x.is_missing(row)) order.push_back(static_cast<std::uint32_t>(row));
  }
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return x.numbers[a] < x.numbers[b]; });
  double area = 0, zeros = 0, ones = 0;
  for (std::size_t first = 0; first < order.size();) {
    double here[2] = {0, 0};
    std::size_t next = first;
    for (; next < order.size() && x.numbers[order[next]] == x.numbers[order[first]]; ++next)
      here[classes[order[next]]] += 1;
    area += here[1] * (zeros + here[0] / 2);
    zeros += here[0];
    ones += here[1];
    first = next;
  }
  if (zeros == 0 || ones == 0 || zeros + ones < 3) return 0.0;
  area /= zeros * ones;
  return std::max(area, 1 - area);
}

// The share of the classes' Gini impurity that knowing the level removes.
double impurity_removed(const Column& x, std::span<const std::uint32_t> classes,
                        std::size_t n_classes) {
  std::vector<std::vector<double>> counts(x.levels.size(), std::vector<double>(n_classes));
  std::vector<double> totals(n_classes);
  for (std::size_t row = 0; row < x.rows(); ++row) {
    if (x.is_missing(row)) continue;
    counts[x.codes[row]][classes[row]] += 1;
    totals[classes[row]] += 1;
  }
  const auto impurity = [](const std::vector<double>& count) {  // times the rows
    double n = 0, squares = 0;
    for (const double each : count) {
      n += each;
      squares += each * each;
    }
    return n > 0 ? n - squares / n : 0.0;
  };
  const double before = impurity(totals);
  double after = 0;
  for (const auto& level : counts) after += impurity(level);
  return before > 0 ? 1 - after / before : 0.0;
}

bool has_few_levels(const Column& column, const Table& table) {
  return column.levels.size() <= table.rows() / 10;
}

template <class Score>
std::vector<std::string> features_above(const Table& table, const FeatureSelection& selection,
                                        Score score) {
  std::vector<std::string> leaks;
  for (const std::string& name : selection.features) {
    if (score(table.at(name)) > kLeakScore) leaks.push_back(name);
  }
  return leaks;
}

}  // namespace

std::vector<std::string> possible_leaks(const Table& table, const FeatureSelection& selection,
                                        std::span<const double> y) {
  return features_above(table, selection, [&](const Column& column) {
    if (column.type != ColumnType::kText) return squared_correlation(column, y);
    if (!has_few_levels(column, table)) return 0.0;
    return correlation_ratio(
        column.rows(), column.levels.size(),
        [&](std::size_t row) { return !column.is_missing(row); },
        [&](std::size_t row) { return column.codes[row]; },
        [&](std::size_t row) { return y[row]; });
  });
}

std::vector<std::string> possible_leaks_of_classes(const Table& table,
                                                   const FeatureSelection& selection,
                                                   std::span<const std::uint32_t> classes) {
  if (classes.empty()) return {};
  const std::size_t n_classes = *std::max_element(classes.begin(), classes.end()) + std::size_t{1};
  return features_above(table, selection, [&](const Column& column) {
    if (column.type == ColumnType::kText)
      return has_few_levels(column, table) ? impurity_removed(column, classes, n_classes) : 0.0;
    if (n_classes <= 2) return area_either_way(column, classes);
    return correlation_ratio(
        column.rows(), n_classes, [&](std::size_t row) { return !column.is_missing(row); },
        [&](std::size_t row) { return classes[row]; },
        [&](std::size_t row) { return column.numbers[row]; });
  });
}

}  // namespace mutirao::data
