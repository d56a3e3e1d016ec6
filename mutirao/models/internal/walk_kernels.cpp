#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {

extern const WalkKernels kWalkKernelsBaseline;
extern const WalkKernels kWalkKernelsAvx2;
extern const WalkKernels kWalkKernelsAvx512;

const WalkKernels& walk_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kWalkKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kWalkKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kWalkKernelsBaseline;
}

}  // namespace mutirao::models::internal
