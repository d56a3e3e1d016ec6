#pragma once

// The tables that we and the peer are measured on: Friedman #1 on normal columns, plus noise, and
// the handwritten digits of scikit-learn.

#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/data/source.hpp"

namespace mutirao::bench {

struct Table {
  data::Matrix x;
  std::vector<double> y;
};

/// A table to fit on and another of the same kind, never seen in a fit, to score on.
struct Tables {
  Table train;
  Table held_out;
};

inline constexpr std::size_t kHeldOutRows = 20'000;

inline double normal(core::RandomStream& stream) {
  // Box and Muller 1958, one of the pair.
  return std::sqrt(-2.0 * std::log(1.0 - stream.uniform())) *
         std::cos(2.0 * std::numbers::pi * stream.uniform());
}

inline Table friedman(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  core::RandomStream stream({seed});
  Table table{data::Matrix(rows, cols), std::vector<double>(rows)};
  for (std::size_t j = 0; j < cols; ++j) {
    for (double& value : table.x.writable_column(j)) value = normal(stream);
  }
  const data::MatrixView x = table.x;
  for (std::size_t i = 0; i < rows; ++i) {
    table.y[i] = 10.0 * std::sin(std::numbers::pi * x(i, 0) * x(i, 1)) +
                 20.0 * (x(i, 2) - 0.5) * (x(i, 2) - 0.5) + 10.0 * x(i, 3) + 5.0 * x(i, 4) +
                 normal(stream);
  }
  table.x.freeze();
  return table;
}

inline Tables tables(std::size_t rows, std::size_t cols) {
  return {friedman(rows, cols, 1), friedman(kHeldOutRows, cols, 2)};
}

/// Three quarters of the handwritten digits, 8 x 8 pixels, and the others.
inline constexpr std::size_t kDigitsRows = 1'347;
inline constexpr std::size_t kDigitsCols = 64;

inline Tables digits() {
  const data::Table all =
      data::read_table("SELECT * FROM read_csv('" MUTIRAO_DIGITS "', header = false)");
  const std::size_t rows = all.rows();
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  core::RandomStream stream({3});
  for (std::size_t i = rows - 1; i > 0; --i)
    std::swap(order[i], order[static_cast<std::size_t>(stream.below(i + 1))]);
  const auto part = [&](std::size_t first, std::size_t last) {
    Table table{data::Matrix(last - first, kDigitsCols), std::vector<double>(last - first)};
    for (std::size_t j = 0; j <= kDigitsCols; ++j) {
      const auto& from = all.columns()[j].numbers;
      const auto to = j == kDigitsCols ? std::span<double>(table.y) : table.x.writable_column(j);
      for (std::size_t i = first; i < last; ++i) to[i - first] = from[order[i]];
    }
    table.x.freeze();
    return table;
  };
  return {part(0, kDigitsRows), part(kDigitsRows, rows)};
}

/// Raw float64: the columns one behind the other, then the target. For a peer to read.
inline void write(const Table& table, const std::filesystem::path& path) {
  std::ofstream stream(path, std::ios::binary);
  const auto put = [&](std::span<const double> values) {
    stream.write(reinterpret_cast<const char*>(values.data()),
                 static_cast<std::streamsize>(values.size_bytes()));
  };
  for (std::size_t j = 0; j < table.x.cols(); ++j) put(table.x.column(j));
  put(table.y);
  if (!stream.flush()) throw core::IoError("cannot write " + path.string(), errno);
}

/// RxC.train.f64 and RxC.test.f64.
inline void write(const Tables& both, const std::filesystem::path& folder) {
  const std::string name = fmt::format("{}x{}", both.train.x.rows(), both.train.x.cols());
  write(both.train, folder / (name + ".train.f64"));
  write(both.held_out, folder / (name + ".test.f64"));
}

}  // namespace mutirao::bench
