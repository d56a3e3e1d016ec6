#include "mutirao/models/internal/gram_kernels.hpp"

namespace mutirao::models::internal {

extern const GramKernels kGramKernelsBaseline;
extern const GramKernels kGramKernelsAvx2;

const GramKernels& gram_kernels(core::InstructionSet set) {
  // Four lanes fill AVX2's registers; AVX-512 would gain nothing.
  return set == core::InstructionSet::kBaseline ? kGramKernelsBaseline : kGramKernelsAvx2;
}

}  // namespace mutirao::models::internal
