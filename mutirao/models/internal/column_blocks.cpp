#include "mutirao/models/internal/column_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kMostChunks = 64;
constexpr std::size_t kLeastChunkRows = 2048;
constexpr std::size_t kSampledRows = 64;
/// Numbers in a block: what the first-level cache holds, most of it.
constexpr std::size_t kBlockNumbers = 4096;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

ColumnBlocks::ColumnBlocks(const TrainingSet& training, std::vector<std::size_t> columns,
                           exec::CoreBudget& budget, std::size_t max_cores)
    : training_(training),
      columns_(std::move(columns)),
      budget_(budget),
      max_cores_(max_cores),
      rows_(training.rows ? training.rows->size() : training.x.rows),
      chunk_rows_(std::max(kLeastChunkRows, round_up((rows_ + kMostChunks - 1) / kMostChunks, 64))),
      shifts_(columns_.size() + 1),
      kernels_(gram_kernels(core::instruction_set())) {}

std::size_t ColumnBlocks::block_rows() const noexcept {
  return std::clamp(kBlockNumbers / (cols() + 2) / 16 * 16, std::size_t{32}, std::size_t{512});
}

void ColumnBlocks::guess_shifts() {
  const std::size_t step = std::max<std::size_t>(1, rows_ / kSampledRows);
  for (std::size_t j = 0; j <= cols(); ++j) {
    const std::span<const double> column =
        j < cols() ? training_.x.column(columns_[j]) : training_.y;
    const double first = column[row(0)];
    double above = 0.0;
    double count = 0.0;
    for (std::size_t i = 0; i < rows_; i += step) {
      above += column[row(i)] - first;
      count += 1.0;
    }
    shifts_[j] = {.first = first + above / count, .second = 0.0};
  }
}

void ColumnBlocks::fill(std::size_t first, std::size_t count, std::size_t padded,
                        double* block) const {
  double* weight = block + (cols() + 1) * padded;
  for (std::size_t k = 0; k < count; ++k) {
    weight[k] =
        training_.sample_weight.empty() ? 1.0 : std::sqrt(training_.sample_weight[row(first + k)]);
  }
  std::fill(weight + count, weight + padded, 0.0);
  for (std::size_t j = 0; j <= cols(); ++j) {
    const std::span<const double> column =
        j < cols() ? training_.x.column(columns_[j]) : training_.y;
    const Shift shift = shifts_[j];
    double* out = block + j * padded;
    if (training_.rows) {
      const std::uint32_t* rows = training_.rows->data() + first;
      for (std::size_t k = 0; k < count; ++k)
        out[k] = (column[rows[k]] - shift.first) - shift.second;
    } else {
      const double* in = column.data() + first;
      for (std::size_t k = 0; k < count; ++k) out[k] = (in[k] - shift.first) - shift.second;
    }
    if (!training_.sample_weight.empty()) {
      for (std::size_t k = 0; k < count; ++k) out[k] *= weight[k];
    }
    std::fill(out + count, out + padded, 0.0);
  }
}

std::vector<double> ColumnBlocks::add_up(std::size_t sum_size, const Visit& visit) const {
  const std::size_t height = block_rows();
  std::vector<std::vector<double>> sums(chunks());
  std::vector<std::vector<double>> blocks(std::max<std::size_t>(1, budget_.cores()));
  budget_.for_each(
      chunks(),
      [&](std::size_t chunk, std::size_t lane) {
        std::vector<double>& block = blocks[lane];
        block.resize(height * (cols() + 2));
        sums[chunk].assign(sum_size, 0.0);
        const std::size_t last = std::min(rows_, (chunk + 1) * chunk_rows_);
        for (std::size_t first = chunk * chunk_rows_; first < last; first += height) {
          const std::size_t count = std::min(height, last - first);
          const std::size_t padded = round_up(count, kGramLanes);
          fill(first, count, padded, block.data());
          visit(block.data(), padded, sums[chunk].data());
        }
      },
      max_cores_);
  std::vector<double> total(sum_size, 0.0);
  for (const std::vector<double>& sum : sums) {
    for (std::size_t i = 0; i < sum_size; ++i) total[i] += sum[i];
  }
  return total;
}

std::vector<double> ColumnBlocks::gram() const {
  const std::size_t q = cols() + 2;
  return add_up(q * q, [&](double* block, std::size_t rows, double* sum) {
    kernels_.add_gram(block, rows, q, sum);
  });
}

std::vector<double> ColumnBlocks::residual_products(std::span<const double> coefficients) const {
  const std::size_t p = cols();
  std::vector<double> negative(coefficients.size());
  for (std::size_t j = 0; j < p; ++j) negative[j] = -coefficients[j];
  return add_up(p, [&](double* block, std::size_t rows, double* sum) {
    double* residual = block + p * rows;
    kernels_.add_columns(block, rows, p, negative.data(), residual);
    kernels_.add_products(block, rows, p, residual, sum);
  });
}

void check_finite(const TrainingSet& training, exec::CoreBudget& budget, std::size_t max_cores) {
  const std::size_t n = training.rows ? training.rows->size() : training.x.rows;
  budget.for_each(
      training.x.cols,
      [&](std::size_t j, std::size_t) {
        const std::span<const double> column = training.x.column(j);
        for (std::size_t i = 0; i < n; ++i) {
          const std::size_t row = training.rows ? (*training.rows)[i] : i;
          if (std::isfinite(column[row])) continue;
          throw core::InvalidInput(
              fmt::format("column {} {} in row {}", j,
                          std::isnan(column[row]) ? "has no value" : "is infinite", row),
              "a linear model needs a finite number in every cell: fill the empty ones");
        }
      },
      max_cores);
}

}  // namespace mutirao::models::internal
