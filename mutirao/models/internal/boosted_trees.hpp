#pragma once

// Boosted trees as they are kept and walked: no library is needed, and a file that was made to
// deceive is refused before the first step.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/level_orders.hpp"

namespace mutirao::models::internal {

/// `left` is relative to the tree's first node, and above the node's own place; right is left + 1.
struct BoostedNode {
  static constexpr std::uint32_t kMissingLeft = 0x80000000U;

  float value = 0.0F;         ///< the threshold (left: below it), or what the leaf adds
  std::uint32_t feature = 0;  ///< with kMissingLeft, if missing goes left
  std::uint32_t left = 0;     ///< 0: a leaf
};
static_assert(sizeof(BoostedNode) == 12);

class BoostedTrees {
 public:
  /// `roots`: where each tree begins; tree t adds to output t % outputs. `scale` and `shift`: of
  /// the sums of leaves. Throws core::CorruptFile when they make no trees.
  BoostedTrees(std::size_t n_features, std::size_t outputs, double scale, double shift,
               std::vector<BoostedNode> nodes, std::vector<std::uint64_t> roots);
  explicit BoostedTrees(const SectionReader& reader);

  std::size_t n_features() const noexcept { return n_features_; }
  std::size_t outputs() const noexcept { return outputs_; }
  std::span<const BoostedNode> nodes() const noexcept { return nodes_; }
  std::span<const std::uint64_t> roots() const noexcept { return roots_; }
  double scale() const noexcept { return scale_; }
  double shift() const noexcept { return shift_; }
  /// How categories are seen.
  const LevelOrders& level_orders() const noexcept { return level_orders_; }
  void set_level_orders(LevelOrders levels) { level_orders_ = std::move(levels); }
  void save(SectionWriter& writer) const;

  /// out[i * outputs() + k] = shift + scale * what the trees of output k add for row rows[i].
  void add_up(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
              std::span<double> out, exec::CoreBudget& budget) const;

 private:
  void check() const;

  std::size_t n_features_ = 0;
  std::size_t outputs_ = 0;
  double scale_ = 1.0;
  double shift_ = 0.0;
  std::shared_ptr<const void> owner_;
  std::span<const BoostedNode> nodes_;
  std::span<const std::uint64_t> roots_;
  LevelOrders level_orders_;
};

/// A label or weight as XGBoost takes it; what no float holds is the largest that one does.
float as_float(double value) noexcept;

}  // namespace mutirao::models::internal
