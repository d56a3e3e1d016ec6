#pragma once

// Waiting for several tasks.
//
// Purpose: wait_all, wait_any, and as_completed, which hands futures out as their tasks end.
// Requires: futures that are not empty (core::InvalidArgument otherwise). Guarantees: nobody polls.
// Thread safety: one set of futures, one thread. Ordering: as Future. Failure: none of them throws
// what tasks threw; get() does. Lifetime: as_completed owns its futures; dropping it detaches.
//
//   for (auto& [index, future] : as_completed(std::move(fits))) {
//     try { report(index, future.get()); } catch (const core::Error& error) { warn(index, error); }
//   }

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "mutirao/exec/future.hpp"
#include "mutirao/exec/internal/finish_queue.hpp"

namespace mutirao::exec {

/// Returns when every task has ended.
template <std::ranges::forward_range Futures>
void wait_all(const Futures& futures) {
  for (const auto& future : futures) future.wait();
}

/// The same for at most `duration`; false when it was too short.
template <std::ranges::forward_range Futures, class Rep, class Period>
bool wait_all_for(const Futures& futures, std::chrono::duration<Rep, Period> duration) {
  const auto deadline = std::chrono::steady_clock::now() + duration;
  for (const auto& future : futures) {
    if (!future.wait_for(deadline - std::chrono::steady_clock::now())) return false;
  }
  return true;
}

/// The index of a future whose task has ended; of several, that which ended first. Requires: at
/// least one future.
template <std::ranges::forward_range Futures>
std::size_t wait_any(const Futures& futures) {
  internal::FinishQueue queue;
  for (const auto& future : futures) queue.add(internal::FutureAccess::task(future));
  return *queue.next(std::nullopt);
}

/// The same for at most `duration`; nothing when it was too short.
template <std::ranges::forward_range Futures, class Rep, class Period>
std::optional<std::size_t> wait_any_for(const Futures& futures,
                                        std::chrono::duration<Rep, Period> duration) {
  internal::FinishQueue queue;
  for (const auto& future : futures) queue.add(internal::FutureAccess::task(future));
  return queue.next(std::chrono::steady_clock::now() + duration);
}

/// An input range over futures in the order in which their tasks end.
template <class R>
class AsCompleted {
 public:
  struct Item {
    std::size_t index;  ///< in the vector that was given
    Future<R> future;   ///< ready
  };

  explicit AsCompleted(std::vector<Future<R>> futures) : futures_(std::move(futures)) {
    for (const Future<R>& future : futures_) queue_.add(internal::FutureAccess::task(future));
  }

  /// The next one, waiting for it; nothing after the last.
  std::optional<Item> next() {
    const std::optional<std::size_t> index = queue_.next(std::nullopt);
    if (!index) return std::nullopt;
    return Item{*index, std::move(futures_[*index])};
  }

  class Iterator {
   public:
    using difference_type = std::ptrdiff_t;
    using value_type = Item;
    Item& operator*() const noexcept { return *owner_->current_; }
    Iterator& operator++() {
      owner_->current_ = owner_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !owner_->current_; }

   private:
    friend class AsCompleted;
    explicit Iterator(AsCompleted* owner) noexcept : owner_(owner) {}
    AsCompleted* owner_;
  };
  Iterator begin() {
    current_ = next();
    return Iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::vector<Future<R>> futures_;
  internal::FinishQueue queue_;
  std::optional<Item> current_;
};

template <class R>
AsCompleted<R> as_completed(std::vector<Future<R>> futures) {
  return AsCompleted<R>(std::move(futures));
}

}  // namespace mutirao::exec
