#include <algorithm>
#include <cstdint>
#include <cstring>

#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/tree_kernels_lanes.hpp"
#include "mutirao/models/internal/tree_kernels_scalar.hpp"

}  // namespace baseline
}  // namespace

extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsBaseline = {
    .best_cuts = baseline::best_cuts<NarrowEntry>,
    .best_cut = baseline::best_cut<NarrowEntry>,
    .partition = baseline::partition<NarrowEntry>};
extern const TreeKernels<WideEntry> kWideTreeKernelsBaseline = {
    .best_cuts = baseline::best_cuts<WideEntry>,
    .best_cut = baseline::best_cut<WideEntry>,
    .partition = baseline::partition<WideEntry>};

}  // namespace mutirao::models::internal
