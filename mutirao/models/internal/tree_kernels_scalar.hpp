#pragma once

// The inner loops of growing a tree in plain C++. Included by each file of kernels/ inside a
// namespace of its own below namespace mutirao::models::internal, so that each is compiled for its
// own instruction set.

template <class Entry>
Cut best_cut(const Entry* entries, std::size_t count, const Sums* sums, Sums total, Sums before,
             std::size_t before_rows, const CutLimits& limits, double floor) {
  Cut best{.score = floor};
  if (count < 2) return best;
  double wyl = before.wy;
  double wl = before.w;
  std::size_t begin = 0;
  std::size_t end = count - 1;
  if (limits.min_rows > 1) {
    // Cuts leave min_rows rows on both sides; the rows before the first such cut are only summed.
    if (count < limits.min_rows || count + before_rows < 2 * limits.min_rows) return best;
    if (limits.min_rows > before_rows) begin = limits.min_rows - before_rows - 1;
    end = count - limits.min_rows;
  }
  std::size_t i = 0;
  for (; i < begin; ++i) {
    const Sums row = sums[row_of(entries[i])];
    wyl += row.wy;
    wl += row.w;
  }
  Entry here = entries[i];
  for (; i < end; ++i) {
    const Sums row = sums[row_of(here)];
    const Entry next = entries[i + 1];
    wyl += row.wy;
    wl += row.w;
    const double wr = total.w - wl;
    const double d = wyl * total.w - total.wy * wl;
    const double numerator = d * d;
    const double denominator = wl * wr;
    const bool tied = rank_of(static_cast<Entry>(here ^ next)) == 0;
    here = next;
    if (tied || !(numerator > best.score * denominator)) continue;
    if (wl < limits.min_weight || wr < limits.min_weight || !(denominator > 0.0)) continue;
    const double score = numerator / denominator;
    if (score > best.score) best = {.score = score, .left = i + 1, .left_total = {wyl, wl}};
  }
  return best;
}

template <class Entry>
void partition(Entry* const* lists, std::size_t n_lists, std::size_t count,
               const std::uint8_t* left, Entry* room) {
  for (std::size_t l = 0; l < n_lists; ++l) {
    Entry* entries = lists[l];
    std::size_t to_left = 0;
    std::size_t to_right = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Entry entry = entries[i];
      const std::size_t goes_left = left[row_of(entry)];
      entries[to_left] = entry;
      room[to_right] = entry;
      to_left += goes_left;
      to_right += 1 - goes_left;
    }
    std::copy(room, room + to_right, entries + to_left);
  }
}
