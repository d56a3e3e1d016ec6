#include "mutirao/models/internal/row_kernels.hpp"

namespace mutirao::models::internal {

extern const RowKernels kRowKernelsBaseline;
extern const RowKernels kRowKernelsAvx2;
extern const RowKernels kRowKernelsAvx512;

const RowKernels& row_kernels(core::InstructionSet set) {
  return core::built_for(set, kRowKernelsBaseline, kRowKernelsAvx2, kRowKernelsAvx512);
}

}  // namespace mutirao::models::internal
