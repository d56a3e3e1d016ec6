#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {

extern const WalkKernels kWalkKernelsBaseline;
extern const WalkKernels kWalkKernelsAvx2;
extern const WalkKernels kWalkKernelsAvx512;

const WalkKernels& walk_kernels(core::InstructionSet set) {
  return core::built_for(set, kWalkKernelsBaseline, kWalkKernelsAvx2, kWalkKernelsAvx512);
}

}  // namespace mutirao::models::internal
