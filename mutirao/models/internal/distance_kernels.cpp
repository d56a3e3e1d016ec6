#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {

extern const DistanceKernels kDistanceKernelsBaseline;
extern const DistanceKernels kDistanceKernelsAvx2;
extern const DistanceKernels kDistanceKernelsAvx512;

const DistanceKernels& distance_kernels(core::InstructionSet set) {
  return core::built_for(set, kDistanceKernelsBaseline, kDistanceKernelsAvx2,
                         kDistanceKernelsAvx512);
}

}  // namespace mutirao::models::internal
