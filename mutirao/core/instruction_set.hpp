#pragma once

#include <string_view>

namespace mutirao::core {

/// The instruction sets that hot kernels are built for. Every kernel gives the same bytes on all of
/// them.
enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

/// The best one that this processor has, or a lower one that the environment variable
/// MUTIRAO_INSTRUCTION_SET (baseline, avx2, avx512) asks for; asking for more than the processor
/// has gives the processor's best. Read once, at the first call. Thread safety: any thread.
InstructionSet instruction_set() noexcept;

std::string_view name_of(InstructionSet set) noexcept;

/// Those of three kernels, or tables of kernels, that are built for `set`.
template <class Kernels>
const Kernels& built_for(InstructionSet set, const Kernels& baseline, const Kernels& avx2,
                         const Kernels& avx512) noexcept {
  switch (set) {
    case InstructionSet::kAvx512:
      return avx512;
    case InstructionSet::kAvx2:
      return avx2;
    case InstructionSet::kBaseline:
      break;
  }
  return baseline;
}

}  // namespace mutirao::core
