#include "mutirao/models/internal/coded_rows.hpp"

#include <limits>
#include <span>

#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {
namespace {

// A tree must be worth counting down to parts of this size, or it is not begun.
constexpr std::size_t kLevelsWorth = 8;
constexpr std::size_t kMostSlots = std::size_t{std::numeric_limits<std::uint16_t>::max()} + 1;

std::size_t distinct(const RankedMatrix& ranked, std::size_t feature) {
  const std::span<const std::uint32_t> order = ranked.order(feature);
  std::size_t count = 0;
  for (const std::uint32_t entry : order.first(order.size() - ranked.missing(feature)))
    count += entry / RankedMatrix::kNewValue;
  return count;
}

}  // namespace

std::unique_ptr<const CodedRows> CodedRows::make(SeenMatrix x, const RankedMatrix& ranked,
                                                 std::size_t tree_rows, exec::CoreBudget& budget,
                                                 std::size_t max_cores) {
  const std::size_t features = ranked.cols();
  if (features == 0) return nullptr;
  auto coded = std::make_unique<CodedRows>();
  coded->first_slot_.assign(1, 0);
  for (std::size_t j = 0; j < features; ++j) {
    coded->first_slot_.push_back(coded->first_slot_.back() + distinct(ranked, j) + 1);
  }
  if (coded->slots() > kMostSlots) return nullptr;
  // What is left when counting ends must fit narrow tiles.
  const std::size_t left = kEntriesPerSlot * coded->slots() / features + 1;
  if (left > kMissingRank<NarrowEntry> || !coded->worth_counting(tree_rows / kLevelsWorth))
    return nullptr;
  coded->slots_.resize(ranked.rows() * features);
  coded->values_.resize(coded->slots());
  coded->rows_.resize(coded->slots());
  budget.for_each(
      features,
      [&](std::size_t j, std::size_t) {
        const std::span<const std::uint32_t> order = ranked.order(j);
        const std::size_t present = order.size() - ranked.missing(j);
        std::size_t slot = coded->first_slot(j);
        for (std::size_t i = 0; i < order.size(); ++i) {
          if (i != 0 && i < present) slot += order[i] / RankedMatrix::kNewValue;
          if (i == present) slot = coded->missing_slot(j);
          const std::size_t row = order[i] & ~RankedMatrix::kNewValue;
          coded->slots_[row * features + j] = static_cast<std::uint16_t>(slot);
          if ((order[i] & RankedMatrix::kNewValue) == 0) continue;
          coded->values_[slot] = x(row, j);
          coded->rows_[slot] = static_cast<std::uint32_t>(row);
        }
      },
      max_cores);
  return coded;
}

}  // namespace mutirao::models::internal
