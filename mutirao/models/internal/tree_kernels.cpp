#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {

extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsBaseline;
extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsAvx2;
extern const TreeKernels<NarrowEntry> kNarrowTreeKernelsAvx512;
extern const TreeKernels<WideEntry> kWideTreeKernelsBaseline;
extern const TreeKernels<WideEntry> kWideTreeKernelsAvx2;
extern const TreeKernels<WideEntry> kWideTreeKernelsAvx512;

template <>
const TreeKernels<NarrowEntry>& tree_kernels<NarrowEntry>(core::InstructionSet set) {
  return core::built_for(set, kNarrowTreeKernelsBaseline, kNarrowTreeKernelsAvx2,
                         kNarrowTreeKernelsAvx512);
}

template <>
const TreeKernels<WideEntry>& tree_kernels<WideEntry>(core::InstructionSet set) {
  return core::built_for(set, kWideTreeKernelsBaseline, kWideTreeKernelsAvx2,
                         kWideTreeKernelsAvx512);
}

}  // namespace mutirao::models::internal
