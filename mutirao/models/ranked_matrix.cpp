#include "mutirao/models/ranked_matrix.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models {
namespace {

// Least significant digit first: 11 + 11 + 10 bits of a 32-bit key.
constexpr std::array<unsigned, 3> kShift = {32, 43, 54};
constexpr std::size_t kBuckets = 2048;

/// Increasing with the value; +0 and -0 are the same.
std::uint32_t key_of(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

struct Scratch {
  std::vector<std::uint64_t> from;  // key << 32 | row
  std::vector<std::uint64_t> to;
  std::array<std::array<std::uint32_t, kBuckets>, 3> count;
};

/// Sorts `pairs` by key, stably. One histogram pass, then a pass per digit that varies.
void radix_sort(std::vector<std::uint64_t>& pairs, Scratch& scratch) {
  for (auto& count : scratch.count) count.fill(0);
  for (const std::uint64_t pair : pairs) {
    for (std::size_t digit = 0; digit < 3; ++digit)
      ++scratch.count[digit][(pair >> kShift[digit]) % kBuckets];
  }
  scratch.to.resize(pairs.size());
  for (std::size_t digit = 0; digit < 3; ++digit) {
    auto& count = scratch.count[digit];
    if (pairs.empty() || count[(pairs[0] >> kShift[digit]) % kBuckets] == pairs.size()) continue;
    std::uint32_t first = 0;
    for (std::uint32_t& bucket : count) first += std::exchange(bucket, first);
    for (const std::uint64_t pair : pairs)
      scratch.to[count[(pair >> kShift[digit]) % kBuckets]++] = pair;
    pairs.swap(scratch.to);
  }
}

/// Fills `order`; gives the number of missing values.
std::size_t rank_column(std::span<const double> column, std::size_t j, Scratch& scratch,
                        std::span<std::uint32_t> order) {
  const std::size_t n = column.size();
  auto& pairs = scratch.from;
  pairs.clear();
  pairs.reserve(n);
  std::size_t missing = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double value = column[i];
    if (std::isnan(value)) {
      order[n - ++missing] = static_cast<std::uint32_t>(i);
      continue;
    }
    if (std::isinf(value)) {
      throw core::InvalidInput(fmt::format("column {} has an infinite value in row {}", j, i),
                               "replace infinite values, or leave them empty to mean missing");
    }
    pairs.push_back(std::uint64_t{key_of(to_float32(value))} << 32 | i);
  }
  radix_sort(pairs, scratch);
  std::uint64_t before = ~std::uint64_t{0};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::uint64_t key = pairs[i] >> 32;
    order[i] = static_cast<std::uint32_t>(pairs[i]) | (key != before ? RankedMatrix::kNewValue : 0);
    before = key;
  }
  // They were written from the end.
  std::reverse(order.end() - static_cast<std::ptrdiff_t>(missing), order.end());
  if (missing != 0) order[n - missing] |= RankedMatrix::kNewValue;
  return missing;
}

/// Fills `order` from that of a category's codes; gives the number of values that have no position.
std::size_t reorder(std::span<const std::uint32_t> codes, std::span<const double> column,
                    const LevelOrders::Column& levels, std::span<std::uint32_t> order) {
  // Equal codes lie side by side: where each position's begin, and how many they are.
  struct Run {
    std::size_t first = 0;
    std::size_t size = 0;
  };
  std::vector<Run> runs(levels.positions.size());
  std::size_t n = order.size();  // the others are filled in from the end
  for (std::size_t first = 0; first < codes.size();) {
    std::size_t last = first + 1;
    while (last < codes.size() && (codes[last] & RankedMatrix::kNewValue) == 0) ++last;
    const std::size_t row = codes[first] & ~RankedMatrix::kNewValue;
    // Rows without one are not trained on, or missing.
    const float position = levels.trained_position(column[row]);
    if (std::isnan(position)) {
      for (std::size_t i = last; i-- > first;) order[--n] = codes[i] & ~RankedMatrix::kNewValue;
    } else {
      runs[static_cast<std::size_t>(position)] = {first, last - first};
    }
    first = last;
  }
  if (n < order.size()) order[n] |= RankedMatrix::kNewValue;
  std::size_t taken = 0;
  for (const Run& run : runs) {
    std::copy_n(codes.data() + run.first, run.size, order.data() + taken);
    taken += run.size;
  }
  return order.size() - n;
}

}  // namespace

RankedMatrix::RankedMatrix(const RankedMatrix& ranked, data::MatrixView x,
                           const LevelOrders& levels)
    : rows_(ranked.rows_),
      missing_(ranked.missing_),
      order_(ranked.order_),
      place_(ranked.cols(), 0),
      reordered_(levels.columns().size() * ranked.rows_) {
  const std::span<std::uint32_t> order = reordered_.writable();
  std::uint32_t at = 0;
  for (const LevelOrders::Column& column : levels.columns()) {
    missing_[column.column] = reorder(ranked.order(column.column), x.column(column.column), column,
                                      order.subspan(at * rows_, rows_));
    place_[column.column] = ++at;
  }
  reordered_.freeze();
}

RankedMatrix::RankedMatrix(data::MatrixView x, exec::CoreBudget* budget, std::size_t max_cores)
    : rows_(x.rows), missing_(x.cols), order_(x.rows * x.cols) {
  if (x.rows >= kNewValue) {
    throw core::InvalidArgument(fmt::format("{} rows are more than a tree can be grown on", x.rows),
                                "trees take up to 2147483647 rows");
  }
  if (budget == nullptr) budget = &exec::CoreBudget::current();
  std::vector<Scratch> scratch(budget->cores());
  const std::span<std::uint32_t> order = order_.writable();
  budget->for_each(
      x.cols,
      [&](std::size_t j, std::size_t lane) {
        missing_[j] = rank_column(x.column(j), j, scratch[lane], order.subspan(j * rows_, rows_));
      },
      max_cores);
  order_.freeze();
}

}  // namespace mutirao::models
