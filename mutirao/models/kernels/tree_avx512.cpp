#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

#include "mutirao/models/internal/tree_kernels_lanes.hpp"
#include "mutirao/models/internal/tree_kernels_scalar.hpp"

}  // namespace avx512
}  // namespace

extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsAvx512 = {
    .best_cuts = avx512::best_cuts<NarrowEntry>,
    .best_cut = avx512::best_cut<NarrowEntry>,
    .partition = avx512::partition<NarrowEntry>};
extern const TreeKernels<WideEntry> kWideTreeKernelsAvx512 = {
    .best_cuts = avx512::best_cuts<WideEntry>,
    .best_cut = avx512::best_cut<WideEntry>,
    .partition = avx512::partition<WideEntry>};

}  // namespace mutirao::models::internal
