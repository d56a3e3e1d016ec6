#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/tree_kernels_lanes.hpp"
#include "mutirao/models/internal/tree_kernels_scalar.hpp"

}  // namespace avx2
}  // namespace

extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsAvx2 = {
    .best_cuts = avx2::best_cuts<NarrowEntry>,
    .best_cut = avx2::best_cut<NarrowEntry>,
    .partition = avx2::partition<NarrowEntry>};
extern const TreeKernels<WideEntry> kWideTreeKernelsAvx2 = {
    .best_cuts = avx2::best_cuts<WideEntry>,
    .best_cut = avx2::best_cut<WideEntry>,
    .partition = avx2::partition<WideEntry>};

}  // namespace mutirao::models::internal
