#pragma once

// A result that several may wait for and read.
//
// Purpose: what Future::share() gives; copies refer to the same task. Requires: nothing.
// Guarantees: get() may be called any number of times, by any number of threads. Thread safety:
// distinct copies, any thread. Ordering: as Future. Failure: get() throws what the task threw, each
// time. Lifetime: the value lives as long as any copy; the last copy dropped detaches from the
// task, which goes on.
//
//   SharedFuture<Table> table = pool.submit(read, path).share();
//   auto linear = pool.submit(fit_linear, table);  // each gets the table as its argument
//   auto forest = pool.submit(fit_forest, table);

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "mutirao/exec/internal/remote_task.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec {

template <class R>
class SharedFuture {
 public:
  /// An empty one: valid() is false.
  SharedFuture() noexcept = default;

  bool valid() const noexcept { return state_ != nullptr; }
  /// Waits for the task; the value stays in place.
  std::add_lvalue_reference_t<const R> get() const {
    State& state = need_state();
    state.task->wait();
    if (state.task->error()) internal::rethrow(state.task->error());
    std::call_once(state.taken, [&] {
      if constexpr (std::is_void_v<R>) {
        internal::take_result<R>(*state.task);
      } else {
        state.value.emplace(internal::take_result<R>(*state.task));
      }
    });
    if constexpr (!std::is_void_v<R>) return *state.value;
  }
  void wait() const { need_state().task->wait(); }
  /// True when the task has ended within `duration`.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> duration) const {
    return need_state().task->wait_until(std::chrono::steady_clock::now() + duration);
  }
  bool ready() const { return need_state().task->poll(); }
  /// As Future::cancel: for everybody who holds a copy.
  bool cancel() const { return need_state().task->cancel(); }
  Progress progress() const { return need_state().task->progress(); }

 private:
  template <class>
  friend class Future;
  friend struct internal::FutureAccess;

  struct State {
    explicit State(internal::TaskRef of) noexcept : task(std::move(of)) {}
    ~State() { task->detach(); }
    const internal::TaskRef task;
    std::once_flag taken;
    std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
  };

  explicit SharedFuture(internal::TaskRef task)
      : state_(std::make_shared<State>(std::move(task))) {}
  State& need_state() const {
    if (!state_) internal::throw_empty_future();
    return *state_;
  }

  std::shared_ptr<State> state_;
};

}  // namespace mutirao::exec
