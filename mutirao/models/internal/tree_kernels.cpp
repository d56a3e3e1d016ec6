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
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kNarrowTreeKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kNarrowTreeKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kNarrowTreeKernelsBaseline;
}

template <>
const TreeKernels<WideEntry>& tree_kernels<WideEntry>(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kWideTreeKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kWideTreeKernelsAvx2;
    case core::InstructionSet::kBaseline:
      break;
  }
  return kWideTreeKernelsBaseline;
}

}  // namespace mutirao::models::internal
