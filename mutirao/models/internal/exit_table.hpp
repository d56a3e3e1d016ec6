#pragma once

#include <cstdint>

namespace mutirao::models::internal {

/// The exit of each combination of the seven comparisons in a block of nodes; bit i: to the right
/// of node i. See Note [Seven nodes to a line].
struct ExitTable {
  std::uint8_t exit[128] = {};
  constexpr ExitTable() {
    for (unsigned mask = 0; mask < 128; ++mask) {
      unsigned node = 0;
      for (int level = 0; level < 3; ++level) node = 2 * node + 1 + (mask >> node & 1);
      exit[mask] = static_cast<std::uint8_t>(node - 7);
    }
  }
};

inline constexpr ExitTable kExitTable;

}  // namespace mutirao::models::internal
