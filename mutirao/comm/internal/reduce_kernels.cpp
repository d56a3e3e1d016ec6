#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {

extern const ReduceKernels kReduceKernelsBaseline;
extern const ReduceKernels kReduceKernelsAvx2;
extern const ReduceKernels kReduceKernelsAvx512;

const ReduceKernels& reduce_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kReduceKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kReduceKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kReduceKernelsBaseline;
}

}  // namespace mutirao::comm::internal
