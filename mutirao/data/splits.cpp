#include "mutirao/data/splits.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::data {
namespace {

constexpr std::uint64_t kSplitStream =
    0x73706c6974;  // keeps the splits apart from every other use of the seed

std::vector<std::uint32_t> shuffled(std::size_t rows, std::uint64_t seed) {
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  core::RandomStream random({seed, kSplitStream});
  for (std::size_t i = rows; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

std::vector<Split> splits_of(std::span<const std::uint32_t> fold_of, std::size_t folds) {
  std::vector<Split> splits;
  for (std::uint32_t fold = 0; fold < folds; ++fold) splits.push_back(split_of(fold_of, fold));
  return splits;
}

void check(std::size_t rows, std::size_t folds) {
  if (folds < 2)
    throw core::InvalidArgument(fmt::format("{} folds are too few", folds), "use 2 folds or more");
  if (folds > rows) {
    throw core::InvalidArgument(fmt::format("{} folds are more than the {} rows", folds, rows),
                                "use fewer folds or more rows");
  }
}

/// How many rows a hold-out tests.
std::size_t check_test_size(std::size_t rows, double test_size) {
  if (!(test_size > 0.0 && test_size < 1.0)) {
    throw core::InvalidArgument(fmt::format("a test size of {} is no part of the rows", test_size),
                                "use a number between 0 and 1, for example 0.2");
  }
  const auto tested = static_cast<std::size_t>(std::ceil(static_cast<double>(rows) * test_size));
  if (tested == 0 || tested >= rows) {
    throw core::InvalidArgument(
        fmt::format("a test size of {} leaves no training rows out of {}", test_size, rows),
        "use a smaller test size or more rows");
  }
  return tested;
}

/// One more than the largest.
std::size_t count_of(std::span<const std::uint32_t> numbers) {
  return numbers.empty() ? 0 : *std::max_element(numbers.begin(), numbers.end()) + std::size_t{1};
}

std::vector<std::size_t> sizes_of(std::span<const std::uint32_t> numbers) {
  std::vector<std::size_t> sizes(count_of(numbers));
  for (const std::uint32_t number : numbers) ++sizes[number];
  return sizes;
}

/// Rows in the order of their times, and where each time begins in it; the end is the last.
struct Timeline {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> begins;

  std::size_t moments() const noexcept { return begins.size() - 1; }
};

Timeline timeline_of(std::span<const double> times) {
  Timeline line;
  line.rows.resize(times.size());
  std::iota(line.rows.begin(), line.rows.end(), 0U);
  std::stable_sort(line.rows.begin(), line.rows.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return times[a] < times[b]; });
  for (std::size_t i = 0; i < line.rows.size(); ++i) {
    if (i == 0 || times[line.rows[i]] != times[line.rows[i - 1]]) line.begins.push_back(i);
  }
  line.begins.push_back(line.rows.size());
  return line;
}

}  // namespace

Split split_of(std::span<const std::uint32_t> fold_numbers, std::uint32_t fold, Learns learns) {
  Split split;
  for (std::size_t row = 0; row < fold_numbers.size(); ++row) {
    const std::uint32_t number = fold_numbers[row];
    if (number == fold) {
      split.test.push_back(static_cast<std::uint32_t>(row));
    } else if (learns == Learns::kFromAllOthers || number == kNeverTested || number < fold) {
      split.train.push_back(static_cast<std::uint32_t>(row));
    }
  }
  return split;
}

std::vector<std::uint32_t> k_fold_numbers(std::size_t rows, std::size_t folds, std::uint64_t seed) {
  check(rows, folds);
  const std::vector<std::uint32_t> order = shuffled(rows, seed);
  std::vector<std::uint32_t> fold_of(rows);
  std::size_t next = 0;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    const std::size_t size = rows / folds + (fold < rows % folds ? 1 : 0);
    for (std::size_t i = 0; i < size; ++i)
      fold_of[order[next++]] = static_cast<std::uint32_t>(fold);
  }
  return fold_of;
}

std::vector<std::uint32_t> stratified_k_fold_numbers(std::span<const std::uint32_t> classes,
                                                     std::size_t folds, std::uint64_t seed) {
  check(classes.size(), folds);
  // Dealing the shuffled rows out class by class, without starting over, keeps classes and fold
  // sizes both even.
  std::vector<std::uint32_t> order = shuffled(classes.size(), seed);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return classes[a] < classes[b]; });
  std::vector<std::uint32_t> fold_of(classes.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    fold_of[order[i]] = static_cast<std::uint32_t>(i % folds);
  return fold_of;
}

std::vector<std::uint32_t> group_k_fold_numbers(std::span<const std::uint32_t> groups,
                                                std::size_t folds, std::uint64_t seed,
                                                std::span<const std::uint32_t> classes) {
  check(groups.size(), folds);
  const std::vector<std::size_t> sizes = sizes_of(groups);
  if (folds > sizes.size()) {
    throw core::InvalidArgument(
        fmt::format("{} folds need {} groups, and there are {}", folds, folds, sizes.size()),
        "use fewer folds, or smaller groups");
  }
  const std::size_t n_classes = std::max<std::size_t>(1, count_of(classes));
  const auto class_of = [&](std::size_t row) { return classes.empty() ? 0U : classes[row]; };
  std::vector<double> totals(n_classes);
  std::vector<std::vector<double>> in_group(sizes.size(), std::vector<double>(n_classes));
  for (std::size_t row = 0; row < groups.size(); ++row) {
    totals[class_of(row)] += 1.0;
    in_group[groups[row]][class_of(row)] += 1.0;
  }
  std::vector<std::uint32_t> order = shuffled(sizes.size(), seed);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return sizes[a] > sizes[b]; });

  std::vector<std::vector<double>> in_fold(folds, std::vector<double>(n_classes));
  std::vector<std::size_t> rows_of(folds);
  std::vector<std::uint32_t> fold_of_group(sizes.size());
  for (std::size_t dealt = 0; dealt < order.size(); ++dealt) {
    const std::uint32_t group = order[dealt];
    const std::size_t empty =
        static_cast<std::size_t>(std::count(rows_of.begin(), rows_of.end(), std::size_t{0}));
    // By how much the sum of squared shares grows: least where the fold lacks what the group has.
    const auto cost_of = [&](std::size_t fold) {
      double cost = 0.0;
      for (std::size_t c = 0; c < n_classes; ++c) {
        if (totals[c] == 0.0) continue;
        const double added = in_group[group][c] / totals[c];
        cost += added * (added + 2.0 * in_fold[fold][c] / totals[c]);
      }
      return cost;
    };
    std::size_t best = folds;
    double best_cost = 0.0;
    for (std::size_t fold = 0; fold < folds; ++fold) {
      // When as many groups are left as folds are empty, each of those gets one.
      if (empty == order.size() - dealt && rows_of[fold] != 0) continue;
      const double cost = cost_of(fold);
      const bool better =
          best == folds || cost < best_cost || (cost == best_cost && rows_of[fold] < rows_of[best]);
      if (!better) continue;
      best = fold;
      best_cost = cost;
    }
    fold_of_group[group] = static_cast<std::uint32_t>(best);
    rows_of[best] += sizes[group];
    for (std::size_t c = 0; c < n_classes; ++c) in_fold[best][c] += in_group[group][c];
  }
  std::vector<std::uint32_t> fold_of;
  fold_of.reserve(groups.size());
  for (const std::uint32_t group : groups) fold_of.push_back(fold_of_group[group]);
  return fold_of;
}

std::vector<std::uint32_t> time_fold_numbers(std::span<const double> times, std::size_t folds) {
  check(times.size(), folds);
  const Timeline line = timeline_of(times);
  if (line.moments() < folds + 1) {
    throw core::InvalidArgument(
        fmt::format("{} folds in the order of time need {} different times, and there are {}",
                    folds, folds + 1, line.moments()),
        "use fewer folds, or finer times");
  }
  const std::size_t stretch = times.size() / (folds + 1);
  std::vector<std::uint32_t> fold_of(times.size());
  std::size_t moment = 0;
  for (std::size_t part = 0; part <= folds; ++part) {
    const std::size_t first = line.begins[moment];
    const std::size_t wanted = times.size() - (folds - part) * stretch;
    // A moment at least here, and one for each part that follows.
    const std::size_t last_moment = line.moments() - (folds - part);
    do {
      ++moment;
    } while (moment < last_moment && line.begins[moment] < wanted);
    const std::size_t end = part == folds ? times.size() : line.begins[moment];
    const std::uint32_t number = part == 0 ? kNeverTested : static_cast<std::uint32_t>(part - 1);
    for (std::size_t i = first; i < end; ++i) fold_of[line.rows[i]] = number;
  }
  return fold_of;
}

std::vector<std::uint32_t> hold_out_numbers(std::size_t rows, double test_size,
                                            std::uint64_t seed) {
  const std::size_t tested = check_test_size(rows, test_size);
  const std::vector<std::uint32_t> order = shuffled(rows, seed);
  std::vector<std::uint32_t> numbers(rows, kNeverTested);
  for (std::size_t i = 0; i < tested; ++i) numbers[order[i]] = 0;
  return numbers;
}

std::vector<std::uint32_t> stratified_hold_out_numbers(std::span<const std::uint32_t> classes,
                                                       double test_size, std::uint64_t seed) {
  const std::size_t tested = check_test_size(classes.size(), test_size);
  const std::vector<std::size_t> sizes = sizes_of(classes);
  // The whole rows of each class's share, then those of the largest remainders.
  std::vector<std::size_t> wanted(sizes.size());
  std::vector<std::size_t> by_remainder;
  std::size_t given = 0;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    wanted[c] = sizes[c] < 2 ? 0 : sizes[c] * tested / classes.size();
    given += wanted[c];
    if (sizes[c] >= 2) by_remainder.push_back(c);
  }
  std::stable_sort(by_remainder.begin(), by_remainder.end(), [&](std::size_t a, std::size_t b) {
    return sizes[a] * tested % classes.size() > sizes[b] * tested % classes.size();
  });
  for (const std::size_t c : by_remainder) {
    if (given == tested) break;
    if (wanted[c] + 1 >= sizes[c]) continue;
    ++wanted[c];
    ++given;
  }
  if (given == 0) {
    throw core::InvalidArgument("no class has enough rows to be learned and tested",
                                "use more rows, or another target");
  }
  std::vector<std::uint32_t> numbers(classes.size(), kNeverTested);
  for (const std::uint32_t row : shuffled(classes.size(), seed)) {
    if (wanted[classes[row]] == 0) continue;
    --wanted[classes[row]];
    numbers[row] = 0;
  }
  return numbers;
}

std::vector<std::uint32_t> group_hold_out_numbers(std::span<const std::uint32_t> groups,
                                                  double test_size, std::uint64_t seed) {
  const std::size_t wanted = check_test_size(groups.size(), test_size);
  const std::vector<std::size_t> sizes = sizes_of(groups);
  if (sizes.size() < 2) {
    throw core::InvalidArgument("a split by group needs 2 groups, and there is 1",
                                "name another column of groups");
  }
  std::vector<bool> tested(sizes.size());
  std::size_t rows = 0;
  std::size_t chosen = 0;
  const auto off_by = [&](std::size_t count) {
    return count > wanted ? count - wanted : wanted - count;
  };
  for (const std::uint32_t group : shuffled(sizes.size(), seed)) {
    if (off_by(rows + sizes[group]) >= off_by(rows) || chosen + 1 == sizes.size()) continue;
    tested[group] = true;
    rows += sizes[group];
    ++chosen;
  }
  // Every group is larger than twice what is wanted: the smallest comes nearest.
  if (chosen == 0) {
    tested[static_cast<std::size_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin())] =
        true;
  }
  std::vector<std::uint32_t> numbers;
  numbers.reserve(groups.size());
  for (const std::uint32_t group : groups) numbers.push_back(tested[group] ? 0 : kNeverTested);
  return numbers;
}

std::vector<std::uint32_t> time_hold_out_numbers(std::span<const double> times, double test_size) {
  const std::size_t wanted = check_test_size(times.size(), test_size);
  const Timeline line = timeline_of(times);
  if (line.moments() < 2) {
    throw core::InvalidArgument("a split by time needs 2 different times, and there is 1",
                                "name another column of times");
  }
  // The latest moment from which on at least as many rows as wanted are tested, but never the
  // first.
  std::size_t moment = line.moments() - 1;
  while (moment > 1 && times.size() - line.begins[moment] < wanted) --moment;
  std::vector<std::uint32_t> numbers(times.size(), kNeverTested);
  for (std::size_t i = line.begins[moment]; i < times.size(); ++i) numbers[line.rows[i]] = 0;
  return numbers;
}

std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed) {
  return splits_of(k_fold_numbers(rows, folds, seed), folds);
}

std::vector<Split> stratified_k_fold(std::span<const std::uint32_t> classes, std::size_t folds,
                                     std::uint64_t seed) {
  return splits_of(stratified_k_fold_numbers(classes, folds, seed), folds);
}

Split hold_out(std::size_t rows, double test_size, std::uint64_t seed) {
  return split_of(hold_out_numbers(rows, test_size, seed), 0);
}

}  // namespace mutirao::data
