#include <bit>

#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/walk_kernels_scalar.hpp"

}  // namespace baseline
}  // namespace

extern const WalkKernels kWalkKernelsBaseline = {
    .add_leaves = baseline::add_leaves,
    .find_leaves = baseline::find_leaves,
    .find_leaves_of_row = baseline::find_leaves_of_row};

}  // namespace mutirao::models::internal
