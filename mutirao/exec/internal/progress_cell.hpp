#pragma once

#include <atomic>
#include <cstdint>

#include "mutirao/exec/progress.hpp"

namespace mutirao::exec::internal {

/// A Progress that one process writes and another may read: a sequence lock. The version is odd
/// while a writer is inside; a writer that dies there leaves readers with "nothing new", never
/// waiting.
class ProgressCell {
 public:
  void write(const Progress& progress) noexcept {
    std::uint32_t version = version_.load(std::memory_order_relaxed);
    do {
      // Several threads of one task may report at once; the second's report is as good as lost in
      // the same instant, so it is dropped rather than waited for.
      if (version & 1) return;
    } while (!version_.compare_exchange_weak(version, version + 1, std::memory_order_acquire,
                                             std::memory_order_relaxed));
    stage_.store(progress.stage, std::memory_order_release);
    done_.store(progress.done, std::memory_order_release);
    total_.store(progress.total, std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
  }

  /// False when nothing was written, or a writer stands in the way for long.
  bool read(Progress& progress) const noexcept {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const std::uint32_t before = version_.load(std::memory_order_acquire);
      if (before == 0) return false;
      if (before & 1) continue;
      const Progress copy{done_.load(std::memory_order_acquire),
                          total_.load(std::memory_order_acquire),
                          stage_.load(std::memory_order_acquire)};
      if (version_.load(std::memory_order_relaxed) == before) {
        progress = copy;
        return true;
      }
    }
    return false;
  }

  /// Only while nobody else looks.
  void clear() noexcept { version_.store(0, std::memory_order_relaxed); }
  bool written() const noexcept { return version_.load(std::memory_order_relaxed) != 0; }

 private:
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint32_t> stage_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
};

}  // namespace mutirao::exec::internal
