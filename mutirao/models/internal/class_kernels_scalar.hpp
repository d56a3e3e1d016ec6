#pragma once

// See class_kernels.hpp. Included by each file of kernels/ inside a namespace of its own below
// namespace mutirao::models::internal, so that each is compiled for its own instruction set.

/// Sums as a list is scanned.
struct ClassSums {
  ClassCounts left;
  std::uint64_t mixed = 0;  ///< sum of the products of the counts on the left with those of all

  void add(std::size_t c, std::uint32_t w, const ClassCounts& total) noexcept {
    const std::uint32_t before = left.of[c];
    left.of[c] = before + w;
    left.weight += w;
    left.squares += std::uint64_t{w} * (2 * std::uint64_t{before} + w);
    mixed += std::uint64_t{w} * total.of[c];
  }
};

/// The value of a cut: sums of squares over weights.
inline double value_of(std::uint64_t left, std::uint32_t wl, std::uint64_t right,
                       std::uint32_t wr) noexcept {
  return static_cast<double>(static_cast<std::int64_t>(left)) / static_cast<double>(wl) +
         static_cast<double>(static_cast<std::int64_t>(right)) / static_cast<double>(wr);
}

/// Positions whose entry may be the last one on the left: [begin, end).
struct CutRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  CutRange(std::size_t count, std::size_t before_rows, const CutLimits& limits) noexcept {
    if (count < 2 || count < limits.min_rows) return;
    begin = limits.min_rows > before_rows + 1 ? limits.min_rows - before_rows - 1 : 0;
    end = count - (limits.min_rows > 1 ? limits.min_rows : 1);
  }
};

inline void best_cut(const NarrowEntry* entries, std::size_t count, const ClassCode* codes,
                     const ClassCounts& total, const ClassCounts& before, std::size_t before_rows,
                     const CutLimits& limits, ClassCut& best) {
  const CutRange range(count, before_rows, limits);
  ClassSums sums;
  for (std::size_t c = 0; before_rows != 0 && c < kMostCodedClasses; ++c)
    sums.add(c, before.of[c], total);
  for (std::size_t i = 0; i < range.end; ++i) {
    const ClassCode code = codes[row_of(entries[i])];
    sums.add(class_of(code), weight_of(code), total);
    if (rank_of(entries[i] ^ entries[i + 1]) == 0 || i < range.begin) continue;
    const std::uint32_t wl = sums.left.weight;
    const std::uint32_t wr = total.weight - wl;
    if (wl < limits.min_weight || wr < limits.min_weight) continue;
    const double value =
        value_of(sums.left.squares, wl, total.squares + sums.left.squares - 2 * sums.mixed, wr);
    if (value > best.value) best = {.value = value, .left = i + 1};
  }
}

inline void best_slot_cut(const ClassSlots& slots, const ClassCounts& total,
                          const ClassCounts& before, const CutLimits& limits, ClassCut& best) {
  ClassSums sums;
  for (std::size_t c = 0; c < kMostCodedClasses; ++c) sums.add(c, before.of[c], total);
  for (std::size_t slot = 0; slot < slots.n; ++slot) {
    const std::uint32_t before_it = sums.left.weight;
    for (std::size_t c = 0; c < kMostCodedClasses; ++c) {
      if (total.of[c] != 0) sums.add(c, slots.counts[c * slots.stride + slot], total);
    }
    const std::uint32_t wl = sums.left.weight;
    const std::uint32_t wr = total.weight - wl;
    if (wl == before_it || wr == 0 || wl < limits.min_weight || wr < limits.min_weight) continue;
    const double value =
        value_of(sums.left.squares, wl, total.squares + sums.left.squares - 2 * sums.mixed, wr);
    if (value > best.value) best = {.value = value, .left = slot + 1};
  }
}

/// 1 for an entry that goes left, else 0.
inline std::uint32_t goes_left(NarrowEntry entry, const RowMarks& marks) noexcept {
  const std::size_t row = row_of(entry);
  const std::uint32_t marked =
      marks.words[row / RowMarks::kWordBits] >> row % RowMarks::kWordBits & 1U;
  return marked ^ (marks.on_left ? 0U : 1U);
}

inline void partition(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                      const RowMarks& marks, NarrowEntry* room) {
  for (std::size_t l = 0; l < n_lists; ++l) {
    NarrowEntry* entries = lists[l];
    std::size_t to_left = 0;
    std::size_t to_right = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const NarrowEntry entry = entries[i];
      const std::uint32_t left = goes_left(entry, marks);
      entries[to_left] = entry;
      room[to_right] = entry;
      to_left += left;
      to_right += 1 - left;
    }
    __builtin_memcpy(entries + to_left, room, to_right * sizeof *room);
  }
}

inline void keep_left(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                      const RowMarks& marks) {
  for (std::size_t l = 0; l < n_lists; ++l) {
    NarrowEntry* entries = lists[l];
    std::size_t n_kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const NarrowEntry entry = entries[i];
      entries[n_kept] = entry;
      n_kept += goes_left(entry, marks);
    }
  }
}
