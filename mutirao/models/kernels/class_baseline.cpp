#include <cstdint>

#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/class_kernels_scalar.hpp"

}  // namespace baseline
}  // namespace

extern const ClassKernels kClassKernelsBaseline = {.best_cut = baseline::best_cut,
                                                   .best_slot_cut = baseline::best_slot_cut,
                                                   .partition = baseline::partition,
                                                   .keep_left = baseline::keep_left};

}  // namespace mutirao::models::internal
