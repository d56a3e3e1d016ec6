#include "mutirao/models/internal/row_kernels.hpp"

namespace mutirao::models::internal {

extern const RowKernels kRowKernelsBaseline;
extern const RowKernels kRowKernelsAvx2;
extern const RowKernels kRowKernelsAvx512;

const RowKernels& row_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kRowKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kRowKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kRowKernelsBaseline;
}

}  // namespace mutirao::models::internal
