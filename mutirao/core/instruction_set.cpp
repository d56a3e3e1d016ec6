#include "mutirao/core/instruction_set.hpp"

#include <algorithm>
#include <cstdlib>

namespace mutirao::core {
namespace {

InstructionSet detect() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // What -march=x86-64-v3 and -v4 let the compiler use; AVX-512 kernels also compress 16-bit lanes
  // (VBMI2).
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
                  __builtin_cpu_supports("avx512vbmi2");
  if (v4) return InstructionSet::kAvx512;
  if (v3) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

}  // namespace

InstructionSet instruction_set() noexcept {
  static const InstructionSet chosen = [] {
    const InstructionSet best = detect();
    const char* asked = std::getenv("MUTIRAO_INSTRUCTION_SET");
    if (asked == nullptr) return best;
    for (const auto set :
         {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
      if (name_of(set) == asked) return std::min(set, best);
    }
    return best;
  }();
  return chosen;
}

std::string_view name_of(InstructionSet set) noexcept {
  switch (set) {
    case InstructionSet::kBaseline:
      return "baseline";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
  }
  return "unknown";
}

}  // namespace mutirao::core
