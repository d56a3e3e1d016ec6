#pragma once

// Walks in plain C++, several at a time. Included by files of kernels/ inside a namespace of its
// own below namespace mutirao::models::internal, so that each is compiled for its own instruction
// set.

/// Walks interleaved, so that one's wait for memory is another's work.
inline constexpr std::size_t kWalks = 8;

/// Where the walk of one step goes from the node at `at`; sets `leaf` when that is a leaf.
inline std::uint64_t step(const std::uint64_t* words, std::uint64_t at, const float* row,
                          unsigned feature_bits, bool& leaf) noexcept {
  const NodeWord node(words[at]);
  const float value = row[node.feature(feature_bits)];
  std::uint64_t jump = node.jump(feature_bits);
  std::uint64_t child = at + 1;
  if (jump == NodeWord::far(feature_bits)) [[unlikely]]
    jump = words[child++];
  // Left or right is anybody's guess: computed, for a branch would be mispredicted.
  const std::uint64_t right = (value > node.threshold() ? 1U : 0U) |
                              ((value != value ? 1U : 0U) & (node.missing_left() ? 0U : 1U));
  leaf = node.is_leaf(right);
  return child + (jump & -right);
}

/// arrive(i, word): row i has come to the leaf `word`.
template <class Arrive>
inline __attribute__((always_inline)) void walk(const std::uint64_t* words, const float* rows,
                                                unsigned feature_bits, std::size_t count,
                                                Arrive arrive) {
  // Each walk that ends in a leaf makes room for the next row's.
  std::uint64_t at[kWalks];
  std::size_t row[kWalks];
  std::size_t walks = count < kWalks ? count : kWalks;
  std::size_t next = walks;
  for (std::size_t k = 0; k < walks; ++k) {
    at[k] = 0;
    row[k] = k;
  }
  while (walks != 0) {
    for (std::size_t k = 0; k < walks;) {
      bool leaf = false;
      at[k] = step(words, at[k], rows + (row[k] << feature_bits), feature_bits, leaf);
      if (!leaf) {
        ++k;
        continue;
      }
      arrive(row[k], words[at[k]]);
      if (next < count) {
        row[k] = next++;
        at[k] = 0;
        ++k;
      } else {
        --walks;
        row[k] = row[walks];
        at[k] = at[walks];
      }
    }
  }
}

inline void add_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                       std::size_t count, double* sum) {
  walk(words, rows, feature_bits, count,
       [sum](std::size_t i, std::uint64_t word) { sum[i] += std::bit_cast<double>(word); });
}

inline void find_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                        std::size_t count, std::uint64_t* leaf) {
  walk(words, rows, feature_bits, count,
       [leaf](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}
