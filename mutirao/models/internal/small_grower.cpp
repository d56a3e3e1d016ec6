#include "mutirao/models/internal/small_grower.hpp"

namespace mutirao::models::internal {

void SmallGrower::grow_below(const OpenNode& root) {
  open_.assign(1, root);
  while (!open_.empty()) {
    const OpenNode node = open_.back();
    open_.pop_back();
    const Split split = best_split(node);
    if (growth_.worth(split, node)) {
      apply(split, node);
    } else {
      leaf(node, 0);
    }
  }
}

Split SmallGrower::best_split(const OpenNode& node) {
  NodeStream stream(node.key);
  draw_.choose(growth_.limits.max_features, stream,
               [&](std::size_t j) { return tile_.constant(j, node.first, node.last); });
  const std::vector<std::uint32_t>& candidates = draw_.chosen();
  const std::size_t n = candidates.size();
  if (n == 0) return {};
  if (node.rows() == 2 && growth_.min_weight == 0.0) {
    const std::size_t feature = candidates[stream.below(n)];
    const std::size_t front = tile_.order(feature)[node.first];
    return pair_split(feature, {.wy = tile_.wy[front], .w = tile_.w[front]}, node.total);
  }
  cuts_.resize(n);
  kernels_->best_cuts(tile_, candidates.data(), n, node.first, node.rows(), node.total, cut_limits_,
                      cuts_.data());
  const std::size_t best = draw_best(cuts_, stream, equals_);
  return best == n ? Split{} : Split{.feature = candidates[best], .cut = cuts_[best]};
}

void SmallGrower::apply(const Split& split, const OpenNode& node) {
  const std::uint8_t* order = tile_.order(split.feature);
  const std::size_t middle = node.first + split.cut.left;
  std::uint32_t goes_left = 0;
  for (std::size_t i = node.first; i < middle; ++i) goes_left |= 1U << order[i];
  Sums right_total;
  for (std::size_t i = middle; i < node.last; ++i) {
    right_total.wy += tile_.wy[order[i]];
    right_total.w += tile_.w[order[i]];
  }
  const auto [left, right] = divide(growth_, nodes_, node, split,
                                    {.n_left = split.cut.left,
                                     .below = tile_.row[order[middle - 1]],
                                     .above = tile_.row[order[middle]],
                                     .missing_left = split.cut.left > node.last - middle,
                                     .right_total = right_total});
  const bool left_open = growth_.divisible(left) && !pure(left, split.feature);
  const bool right_open = growth_.divisible(right) && !pure(right, split.feature);
  if (!left_open) leaf(left, split.feature);
  if (!right_open) leaf(right, split.feature);
  if (!left_open && !right_open) return;
  // List 0 always says which rows there are.
  draw_.choose_if(tile_.features, [&](std::uint32_t j) {
    return j != split.feature && (j == 0 || !tile_.constant(j, node.first, node.last));
  });
  const std::vector<std::uint32_t>& moved = draw_.chosen();
  kernels_->partition(tile_, moved.data(), moved.size(), node.first, node.rows(), goes_left);
  // The right one first: a stack takes the left one next.
  if (right_open) open_.push_back(right);
  if (left_open) open_.push_back(left);
}

bool SmallGrower::pure(const OpenNode& node, std::size_t feature) const noexcept {
  const std::uint8_t* order = tile_.order(feature);
  for (std::size_t i = node.first + 1; i < node.last; ++i) {
    if (tile_.y[order[i]] != tile_.y[order[node.first]]) return false;
  }
  return true;
}

void SmallGrower::leaf(const OpenNode& node, std::size_t feature) {
  const std::uint8_t* order = tile_.order(feature) + node.first;
  make_leaf(
      growth_, nodes_[node.node], node.rows(), [&](std::size_t i) { return tile_.y[order[i]]; },
      [&](std::size_t i) { return tile_.w[order[i]]; });
}

}  // namespace mutirao::models::internal
