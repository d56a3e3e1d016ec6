#include "mutirao/models/internal/small_class_tile.hpp"

namespace mutirao::models::internal {

extern const SmallClassKernels kSmallClassKernelsAvx512;

const SmallClassKernels* small_class_kernels(core::InstructionSet set) noexcept {
  return set == core::InstructionSet::kAvx512 ? &kSmallClassKernelsAvx512 : nullptr;
}

}  // namespace mutirao::models::internal
