#pragma once

// Walks through blocks; see Note [Seven nodes to a line] and Note [Walks in lists]. Included by
// files of kernels/ inside a namespace of its own below namespace mutirao::models::internal, after
// exit_of<Width, Missing>(block, row): the exit that a row takes. Width: how many numbers a row has
// room for, at least 8; 0: more than the others. Missing: whether there may be NaN.

template <std::size_t Width, bool Missing, class Arrive>
void walk_blocks_of(const BlockedTree& tree, const float* rows, unsigned row_bits,
                    std::size_t count, Arrive arrive) {
  constexpr std::size_t kWalks = 64;  // their rows and blocks stay in the first cache
  std::uint64_t list[kWalks];         // a walk: its index in the upper half, where it is below
  std::uint32_t last[kWalks];
  const auto* const base = reinterpret_cast<const char*>(tree.lines.data());
  const auto line = [=](std::uint64_t at) { return base + at * sizeof(std::uint64_t); };
  for (std::size_t first = 0; first < count; first += kWalks, rows += kWalks << row_bits) {
    const std::size_t begun = count - first < kWalks ? count - first : kWalks;
    for (std::size_t i = 0; i < begun; ++i) list[i] = std::uint64_t{i} << 32;
    for (std::size_t walking = begun; walking != 0;) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < walking; ++i) {
        const std::uint64_t walk = list[i];
        const std::uint64_t index = walk >> 32;
        const auto& block = *reinterpret_cast<const NodeBlock*>(line(walk & 0xffffffffU));
        const unsigned exit = exit_of<Width, Missing>(block, rows + (index << row_bits));
        const std::uint64_t leaf = block.exits[1] >> exit & 1U;
        const auto earlier =
            static_cast<std::uint64_t>(std::popcount(block.exits[leaf] & ((1U << exit) - 1U)));
        const std::uint64_t next = block.first[leaf] + (earlier << (3 - 3 * leaf));
        __builtin_prefetch(line(next));
        last[index] = static_cast<std::uint32_t>(next);
        list[kept] = next | (index << 32);
        kept += 1 - leaf;
      }
      walking = kept;
    }
    for (std::size_t i = 0; i < begun; ++i) {
      std::uint64_t word;
      __builtin_memcpy(&word, line(last[i]), sizeof word);
      arrive(first + i, word);
    }
  }
}

template <class Arrive>
void walk_blocks(const BlockedTree& tree, const float* rows, unsigned row_bits, bool missing,
                 std::size_t count, Arrive arrive) {
  const auto walk = [&](auto width) {
    if (missing) {
      walk_blocks_of<width(), true>(tree, rows, row_bits, count, arrive);
    } else {
      walk_blocks_of<width(), false>(tree, rows, row_bits, count, arrive);
    }
  };
  switch (row_bits) {
    case 3:
      return walk(std::integral_constant<std::size_t, 8>());
    case 4:
      return walk(std::integral_constant<std::size_t, 16>());
    case 5:
      return walk(std::integral_constant<std::size_t, 32>());
    default:
      return walk(std::integral_constant<std::size_t, 0>());
  }
}

void add_blocked_leaves(const BlockedTree& tree, const float* rows, unsigned row_bits, bool missing,
                        std::size_t count, double* sum) {
  walk_blocks(tree, rows, row_bits, missing, count,
              [=](std::size_t i, std::uint64_t word) { sum[i] += std::bit_cast<double>(word); });
}

void find_blocked_leaves(const BlockedTree& tree, const float* rows, unsigned row_bits,
                         bool missing, std::size_t count, std::uint64_t* leaf) {
  walk_blocks(tree, rows, row_bits, missing, count,
              [=](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}
