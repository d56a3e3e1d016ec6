#include "mutirao/models/internal/boosted_trees.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kRows = 128;  // a unit of work
constexpr std::size_t kMostFeatures = BoostedNode::kMissingLeft - 1;

struct Owned {
  std::vector<BoostedNode> nodes;
  std::vector<std::uint64_t> roots;
};

}  // namespace

float as_float(double value) noexcept {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(value, -kMost, kMost));
}

BoostedTrees::BoostedTrees(std::size_t n_features, std::size_t outputs, double scale, double shift,
                           std::vector<BoostedNode> nodes, std::vector<std::uint64_t> roots)
    : n_features_(n_features), outputs_(outputs), scale_(scale), shift_(shift) {
  auto owned = std::make_shared<Owned>(Owned{std::move(nodes), std::move(roots)});
  nodes_ = owned->nodes;
  roots_ = owned->roots;
  owner_ = std::move(owned);
  check();
}

BoostedTrees::BoostedTrees(const SectionReader& reader)
    : owner_(reader.owner()),
      nodes_(reader.get<BoostedNode>("boosted_nodes")),
      roots_(reader.get<std::uint64_t>("boosted_roots")) {
  const auto shape = reader.get<std::uint64_t>("features_outputs");
  const auto scale = reader.get<double>("scale_shift");
  if (shape.size() != 2 || scale.size() != 2)
    throw core::CorruptFile("the boosted trees are not well formed");
  n_features_ = shape[0];
  outputs_ = shape[1];
  scale_ = scale[0];
  shift_ = scale[1];
  check();
  level_orders_ = load_levels(reader, n_features_);
}

void BoostedTrees::check() const {
  const auto refuse_unless = [](bool holds) {
    if (!holds) throw core::CorruptFile("the boosted trees are not well formed");
  };
  refuse_unless(n_features_ >= 1 && n_features_ <= kMostFeatures && outputs_ >= 1 &&
                outputs_ <= 65536 && roots_.size() % outputs_ == 0 && std::isfinite(scale_) &&
                std::isfinite(shift_));
  refuse_unless(roots_.empty() ? nodes_.empty() : roots_[0] == 0);
  for (std::size_t t = 0; t < roots_.size(); ++t) {
    const std::size_t last = t + 1 < roots_.size() ? roots_[t + 1] : nodes_.size();
    refuse_unless(roots_[t] < last && last <= nodes_.size());
    const std::span<const BoostedNode> tree = nodes_.subspan(roots_[t], last - roots_[t]);
    for (std::size_t i = 0; i < tree.size(); ++i) {
      refuse_unless(std::isfinite(tree[i].value));
      if (tree[i].left == 0) continue;
      refuse_unless(tree[i].left > i && tree[i].left < tree.size() - 1 &&
                    (tree[i].feature & ~BoostedNode::kMissingLeft) < n_features_);
    }
  }
}

void BoostedTrees::save(SectionWriter& writer) const {
  writer.add("boosted_nodes", nodes_);
  writer.add("boosted_roots", roots_);
  const std::array<std::uint64_t, 2> shape = {n_features_, outputs_};
  writer.keep("features_outputs", std::span<const std::uint64_t>(shape));
  const std::array<double, 2> scale = {scale_, shift_};
  writer.keep("scale_shift", std::span<const double>(scale));
  save_levels(writer, level_orders_);
}

void BoostedTrees::add_up(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const {
  const std::size_t n = out.size() / outputs_;
  const SeenMatrix seen(x, level_orders_);
  budget.for_each((n + kRows - 1) / kRows, [&](std::size_t unit, std::size_t) {
    const std::size_t first = unit * kRows;
    const std::size_t count = std::min(kRows, n - first);
    std::vector<float> values(count * n_features_);
    for (std::size_t j = 0; j < n_features_; ++j) {
      seen.with_column(j, [&](auto of_row) {
        for (std::size_t i = 0; i < count; ++i)
          values[i * n_features_ + j] = of_row(rows ? (*rows)[first + i] : first + i);
      });
    }
    double* sums = out.data() + first * outputs_;
    std::fill(sums, sums + count * outputs_, 0.0);
    for (std::size_t t = 0; t < roots_.size(); ++t) {
      const BoostedNode* tree = nodes_.data() + roots_[t];
      for (std::size_t i = 0; i < count; ++i) {
        const float* row = values.data() + i * n_features_;
        const BoostedNode* node = tree;
        while (node->left != 0) {
          const float value = row[node->feature & ~BoostedNode::kMissingLeft];
          const bool left = std::isnan(value) ? (node->feature & BoostedNode::kMissingLeft) != 0
                                              : value < node->value;
          node = tree + node->left + (left ? 0 : 1);
        }
        sums[i * outputs_ + t % outputs_] += node->value;
      }
    }
    for (std::size_t k = 0; k < count * outputs_; ++k) sums[k] = shift_ + scale_ * sums[k];
  });
}

}  // namespace mutirao::models::internal
