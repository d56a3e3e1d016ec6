#pragma once

// Included by files of kernels/ inside a namespace of its own; see Note [Seven nodes to a line].

/// The exit of each combination of the seven comparisons; bit i: to the right of node i.
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
