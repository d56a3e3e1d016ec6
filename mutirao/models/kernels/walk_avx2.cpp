#include <bit>

#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/walk_kernels_scalar.hpp"

}  // namespace avx2
}  // namespace

extern const WalkKernels kWalkKernelsAvx2 = {.add_leaves = avx2::add_leaves,
                                             .find_leaves = avx2::find_leaves,
                                             .find_leaves_of_row = avx2::find_leaves_of_row};

}  // namespace mutirao::models::internal
