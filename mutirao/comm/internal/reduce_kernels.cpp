#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {

extern const ReduceKernels kReduceKernelsBaseline;
extern const ReduceKernels kReduceKernelsAvx2;
extern const ReduceKernels kReduceKernelsAvx512;

const ReduceKernels& reduce_kernels(core::InstructionSet set) {
  return core::built_for(set, kReduceKernelsBaseline, kReduceKernelsAvx2, kReduceKernelsAvx512);
}

}  // namespace mutirao::comm::internal
