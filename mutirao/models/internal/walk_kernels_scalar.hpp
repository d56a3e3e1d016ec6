#pragma once

// Walks in plain C++; see Note [Walks in lists]. Included by files of kernels/ inside a namespace
// of its own below namespace mutirao::models::internal, so that each is compiled for its own
// instruction set.

/// start(i): the word where walk i begins; row(i): the numbers that it looks at; arrive(i, word):
/// it has come to the leaf `word`.
template <class Start, class Row, class Arrive>
inline __attribute__((always_inline)) void walk(const std::uint64_t* words, unsigned feature_bits,
                                                std::size_t count, Start start, Row row,
                                                Arrive arrive) {
  struct Walk {
    std::uint32_t at;
    std::uint32_t index;
  };
  Walk list[kListed];
  std::uint32_t last[kListed];  // where each walk has been last
  for (std::size_t first = 0; first < count; first += kListed) {
    const std::size_t begun = count - first < kListed ? count - first : kListed;
    for (std::size_t i = 0; i < begun; ++i)
      list[i] = {start(first + i), static_cast<std::uint32_t>(i)};
    for (std::size_t walking = begun; walking != 0;) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < walking; ++i) {
        const Walk walk = list[i];
        const NodeWord node(words[walk.at]);
        const float value = row(first + walk.index)[node.feature(feature_bits)];
        std::uint64_t jump = node.jump(feature_bits);
        std::uint32_t child = walk.at + 1;
        if (jump == NodeWord::far(feature_bits)) [[unlikely]]
          jump = words[child++];
        const std::uint32_t right = (value > node.threshold() ? 1U : 0U) |
                                    ((value != value ? 1U : 0U) & (node.missing_left() ? 0U : 1U));
        child += static_cast<std::uint32_t>(jump) & -right;
        __builtin_prefetch(words + child);
        last[walk.index] = child;
        list[kept] = {child, walk.index};
        kept += node.is_leaf(right) ? 0 : 1;
      }
      walking = kept;
    }
    for (std::size_t i = 0; i < begun; ++i) arrive(first + i, words[last[i]]);
  }
}

inline void add_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                       std::size_t count, double* sum) {
  walk(
      words, feature_bits, count, [](std::size_t) { return 0U; },
      [=](std::size_t i) { return rows + (i << feature_bits); },
      [=](std::size_t i, std::uint64_t word) { sum[i] += std::bit_cast<double>(word); });
}

inline void find_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                        std::size_t count, std::uint64_t* leaf) {
  walk(
      words, feature_bits, count, [](std::size_t) { return 0U; },
      [=](std::size_t i) { return rows + (i << feature_bits); },
      [=](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}

inline void find_leaves_of_row(const std::uint64_t* words, const std::uint32_t* roots,
                               const float* row, unsigned feature_bits, std::size_t count,
                               std::uint64_t* leaf) {
  walk(
      words, feature_bits, count, [=](std::size_t i) { return roots[i]; },
      [=](std::size_t) { return row; }, [=](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}
