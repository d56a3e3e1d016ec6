#pragma once

// One threshold per feature, drawn between the least and the largest value in the node (Geurts,
// Ernst, Wehenkel 2006): what extremely randomised trees look at.
//
// Note [Random thresholds need no order]: a feature is looked at in two passes over the rows of the
// node, one for its bounds and one for the sums on the left, and a row's features lie side by side,
// so both passes take eight features at once.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/row_grower.hpp"
#include "mutirao/models/internal/row_kernels.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/sum_targets.hpp"

namespace mutirao::models::internal {

template <class Targets>
class RandomSearch {
 public:
  RandomSearch(const Growth& growth, const RowValues& values, Targets& targets)
      : growth_(growth),
        values_(values),
        targets_(targets),
        kernels_(row_kernels(growth.task.instruction_set)),
        draw_(values.features()),
        blocks_(values.stride() / kLanes) {
    targets_.begin(growth);
  }

  void load(const std::uint32_t* rows, std::size_t n) {
    targets_.load(rows, n);
    packed_known_ = false;
  }
  Sums total() const noexcept {
    if constexpr (kSums) {
      return targets_.total();
    } else {
      return {.wy = 0.0, .w = targets_.weight()};
    }
  }
  bool pure() const noexcept { return targets_.pure(); }
  void leaf(GrownNode& node, std::size_t n) { targets_.leaf(growth_, node, n); }
  void inner(GrownNode& node) { targets_.inner(growth_, node); }

  RowSplit best(const std::uint32_t* rows, std::size_t n, NodeStream& stream) {
    for (FeatureBlock& block : blocks_) block.known = false;
    const auto block_at = [&](std::size_t b) {
      return RowKernels::Block{
          .values = values_.data() + b * kLanes, .stride = values_.stride(), .rows = rows, .n = n};
    };
    draw_.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
      FeatureBlock& block = blocks_[j / kLanes];
      if (!block.known) {
        kernels_.bounds(block_at(j / kLanes), block.bounds);
        block.known = true;
        block.wanted = false;
      }
      const std::size_t missing = block.bounds.missing[j % kLanes];
      return missing == n ||
             (missing == 0 && block.bounds.least[j % kLanes] == block.bounds.most[j % kLanes]);
    });
    const std::vector<std::uint32_t>& chosen = draw_.chosen();
    for (const std::uint32_t j : chosen) {
      FeatureBlock& block = blocks_[j / kLanes];
      block.wanted = true;
      block.thresholds[j % kLanes] = drawn_threshold(
          block.bounds.least[j % kLanes], block.bounds.most[j % kLanes], stream.uniform());
    }
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      if (blocks_[b].known && blocks_[b].wanted) add_left(block_at(b), blocks_[b]);
    }
    cuts_.clear();
    for (const std::uint32_t j : chosen) cuts_.push_back(cut(rows, n, j));
    const std::size_t best = draw_best(cuts_, stream, equals_);
    if (best == cuts_.size()) return {};
    const std::uint32_t j = chosen[best];
    return {.score = cuts_[best].score,
            .feature = j,
            .missing_left = cuts_[best].missing_left,
            .has_missing = blocks_[j / kLanes].bounds.missing[j % kLanes] != 0,
            .threshold = blocks_[j / kLanes].thresholds[j % kLanes]};
  }

  /// Per row: 1 on the left, 0 on the right.
  const std::uint8_t* sides(const RowSplit& split, const std::uint32_t* rows, std::size_t n) {
    sides_.resize(std::max(sides_.size(), n));
    const std::uint8_t missing = split.missing_left ? 1 : 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float value = values_.at(rows[i], split.feature);
      sides_[i] = value != value ? missing : static_cast<std::uint8_t>(value <= split.threshold);
    }
    return sides_.data();
  }

 private:
  static constexpr std::size_t kLanes = RowKernels::kLanes;
  static constexpr bool kSums = std::is_same_v<Targets, SumTargets>;

  struct FeatureBlock {
    bool known = false;   // bounds
    bool wanted = false;  // some feature of it is looked at
    RowKernels::Bounds bounds = {};
    float thresholds[kLanes] = {};
    RowKernels::Left left = {};
    std::vector<double> counts;  // classes of the node x kLanes
    std::array<RowKernels::Packed, kLanes* kMostCodedClasses / RowKernels::kPackedClasses> packed =
        {};
  };

  void add_left(const RowKernels::Block& rows, FeatureBlock& block) {
    if constexpr (kSums) {
      kernels_.left_sums(rows, block.thresholds, targets_.sums(), block.left);
    } else if (targets_.whole() && targets_.counts().weight < 1U << RowKernels::kPackedBits) {
      add_left_packed(rows, block);
    } else {
      block.counts.assign(targets_.classes() * kLanes, 0.0);
      kernels_.left_counts(rows, block.thresholds, targets_.class_of(), targets_.weights(),
                           block.counts.data(), block.left);
    }
  }

  void add_left_packed(const RowKernels::Block& rows, FeatureBlock& block) {
    constexpr std::size_t kClasses = RowKernels::kPackedClasses;
    const std::size_t classes = targets_.classes();
    const std::size_t words = (classes + kClasses - 1) / kClasses;
    if (!packed_known_) {
      packed_.assign(rows.n * words, 0);
      for (std::size_t i = 0; i < rows.n; ++i) {
        const ClassCode code = targets_.codes()[i];
        packed_[i * words + class_of(code) / kClasses] =
            RowKernels::Packed{weight_of(code)}
            << RowKernels::kPackedBits * (class_of(code) % kClasses);
      }
      packed_known_ = true;
    }
    kernels_.left_packed(rows, block.thresholds, packed_.data(), words, block.packed.data(),
                         block.left);
    block.counts.resize(classes * kLanes);
    for (std::size_t lane = 0; lane < kLanes; ++lane) block.left.w[lane] = 0.0;
    for (std::size_t c = 0; c < classes; ++c) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const RowKernels::Packed word = block.packed[c / kClasses * kLanes + lane];
        const auto count = static_cast<double>(
            static_cast<std::uint16_t>(word >> RowKernels::kPackedBits * (c % kClasses)));
        block.counts[c * kLanes + lane] = count;
        block.left.w[lane] += count;
      }
    }
  }

  /// What the threshold of feature j is worth, with missing values on the better side.
  Cut cut(const std::uint32_t* rows, std::size_t n, std::size_t j) {
    const FeatureBlock& block = blocks_[j / kLanes];
    const std::size_t lane = j % kLanes;
    Cut best = score(block.left.rows[lane], n, block.left.w[lane], block.left.wy[lane],
                     [&](auto c) { return block.counts[c * kLanes + lane]; });
    if (block.bounds.missing[lane] == 0) return best;
    double w = block.left.w[lane];
    double wy = block.left.wy[lane];
    missing_.assign(kSums ? 0 : block.counts.size() / kLanes, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      if (!std::isnan(values_.at(rows[i], j))) continue;
      if constexpr (kSums) {
        w += targets_.sums()[i].w;
        wy += targets_.sums()[i].wy;
      } else {
        w += targets_.weights()[i];
        missing_[targets_.class_of()[i]] += targets_.weights()[i];
      }
    }
    const std::size_t with_missing = block.left.rows[lane] + block.bounds.missing[lane];
    Cut left = score(with_missing, n, w, wy,
                     [&](auto c) { return block.counts[c * kLanes + lane] + missing_[c]; });
    left.missing_left = true;
    return left.score > best.score ? left : best;
  }

  template <class Count>
  Cut score(std::size_t left, std::size_t n, double wl, double wyl, Count count) const noexcept {
    const std::size_t least = growth_.limits.min_samples_leaf;
    const double wr = targets_.weight() - wl;
    if (left < least || n - left < least || left == n || wl < growth_.min_weight ||
        wr < growth_.min_weight || !(wl * wr > 0.0))
      return {};
    Cut result{.score = 0.0, .left = left};
    if constexpr (kSums) {
      const Sums& total = targets_.total();
      const double d = wyl * total.w - total.wy * wl;
      result.score = d * d / (wl * wr);
    } else {
      double of_left = 0.0;
      double of_right = 0.0;
      for (std::size_t c = 0; c < targets_.classes(); ++c) {
        const double l = count(c);
        const double r = targets_.totals()[c] - l;
        of_left += targets_.entropy() ? x_log2_x(l) : l * l;
        of_right += targets_.entropy() ? x_log2_x(r) : r * r;
      }
      result.score = targets_.score(wl, of_left, wr, of_right);
    }
    return result;
  }

  const Growth& growth_;
  const RowValues& values_;
  Targets& targets_;
  const RowKernels& kernels_;
  FeatureDraw draw_;
  std::vector<FeatureBlock> blocks_;
  std::vector<Cut> cuts_;  // per feature that is looked at
  std::vector<std::uint32_t> equals_;
  std::vector<double> missing_;  // per class
  std::vector<std::uint8_t> sides_;
  std::vector<RowKernels::Packed> packed_;  // of the node, rows x words
  bool packed_known_ = false;
};

}  // namespace mutirao::models::internal
