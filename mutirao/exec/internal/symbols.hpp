#pragma once

#include <span>
#include <string>
#include <vector>

#include "mutirao/exec/internal/function_id.hpp"

namespace mutirao::exec::internal {

/// The places as people read them, a line each: "#1 fold(int) +0x1c in libfold.so". Where a module
/// has no symbol table, the line has only the module and the offset. The first place is exact, the
/// others are return addresses.
std::vector<std::string> symbolize(std::span<const FunctionId> places);

}  // namespace mutirao::exec::internal
