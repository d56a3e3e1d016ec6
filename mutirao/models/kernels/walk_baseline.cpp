#include <bit>
#include <type_traits>

#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/walk_kernels_scalar.hpp"

template <std::size_t Width, bool Missing>
inline __attribute__((always_inline)) unsigned exit_of(const NodeBlock& block, const float* row) {
  unsigned node = 0;
  for (int level = 0; level < 3; ++level) {
    const float value = row[block.feature[node]];
    unsigned right = value > block.threshold[node] ? 1U : 0U;
    if (Missing) right |= (value != value ? 1U : 0U) & block.missing_right >> node;
    node = 2 * node + 1 + right;
  }
  return node - 7;
}

#include "mutirao/models/internal/walk_blocks_portable.hpp"

}  // namespace baseline
}  // namespace

extern const WalkKernels kWalkKernelsBaseline = {
    .add_leaves = baseline::add_leaves,
    .find_leaves = baseline::find_leaves,
    .find_leaves_of_row = baseline::find_leaves_of_row,
    .add_blocked_leaves = baseline::add_blocked_leaves,
    .find_blocked_leaves = baseline::find_blocked_leaves};

}  // namespace mutirao::models::internal
