#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {

extern const ClassKernels kClassKernelsBaseline;
extern const ClassKernels kClassKernelsAvx2;
extern const ClassKernels kClassKernelsAvx512;

const ClassKernels& class_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kClassKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kClassKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kClassKernelsBaseline;
}

}  // namespace mutirao::models::internal
