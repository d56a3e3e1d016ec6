#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {

extern const DistanceKernels kDistanceKernelsBaseline;
extern const DistanceKernels kDistanceKernelsAvx2;
extern const DistanceKernels kDistanceKernelsAvx512;

const DistanceKernels& distance_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kDistanceKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kDistanceKernelsAvx2;
    default:
      return kDistanceKernelsBaseline;
  }
}

}  // namespace mutirao::models::internal
