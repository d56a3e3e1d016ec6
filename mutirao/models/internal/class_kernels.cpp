#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {

extern const ClassKernels kClassKernelsBaseline;
extern const ClassKernels kClassKernelsAvx2;
extern const ClassKernels kClassKernelsAvx512;

const ClassKernels& class_kernels(core::InstructionSet set) {
  return core::built_for(set, kClassKernelsBaseline, kClassKernelsAvx2, kClassKernelsAvx512);
}

}  // namespace mutirao::models::internal
