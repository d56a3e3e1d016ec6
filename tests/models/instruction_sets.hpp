#pragma once

#include <vector>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models {

/// The sets that this processor has, whatever the environment asks for.
inline std::vector<core::InstructionSet> instruction_sets() {
  std::vector<core::InstructionSet> sets = {core::InstructionSet::kBaseline};
  if (__builtin_cpu_supports("avx2")) sets.push_back(core::InstructionSet::kAvx2);
  if (__builtin_cpu_supports("avx512vbmi2")) sets.push_back(core::InstructionSet::kAvx512);
  return sets;
}

}  // namespace mutirao::models
