#include <cstdint>

#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/class_kernels_scalar.hpp"

}  // namespace avx2
}  // namespace

extern const ClassKernels kClassKernelsAvx2 = {.best_cut = avx2::best_cut,
                                               .best_slot_cut = avx2::best_slot_cut,
                                               .partition = avx2::partition,
                                               .keep_left = avx2::keep_left};

}  // namespace mutirao::models::internal
