#pragma once

// Coroutines over futures.
//
// Purpose: `co_await future` in place of get(), without a thread that sleeps. Task<T> is what such
// a coroutine returns: it does nothing until it is awaited, by another coroutine or by spawn().
// Requires: C++20 coroutines. Guarantees: after a co_await that had to wait, the coroutine goes on
// on Runtime::continuations(). Thread safety: one coroutine is never run by two threads at once.
// Ordering: as Future. Failure: what a coroutine throws comes out of whoever awaits it. Lifetime: a
// Task owns its coroutine; one that spawn() took owns itself. cancel() of a spawned future does
// nothing: a coroutine stops where its own tasks do.
//
//   exec::Task<double> score(Executor& pool, Table table) {
//     Model model = co_await pool.submit(fit, table);
//     co_return co_await pool.submit(evaluate, std::move(model), table);
//   }
//   double r2 = spawn(score(pool, table)).get();

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "mutirao/exec/future.hpp"
#include "mutirao/exec/internal/continuations.hpp"
#include "mutirao/exec/shared_future.hpp"

namespace mutirao::exec {

template <class T = void>
class Task;

namespace internal {

/// Suspends until a future's task has ended.
template <class F>
struct FutureAwaiter {
  F future;
  bool await_ready() const { return future.ready(); }
  void await_suspend(std::coroutine_handle<> waiting) const {
    // The coroutine may go on, and this awaiter with its future be gone, before when_done returns.
    const TaskRef task = FutureAccess::task(future);
    task->when_done([waiting] { post_continuation([waiting] { waiting.resume(); }); });
  }
  decltype(auto) await_resume() { return future.get(); }
};

struct CoroutinePromiseBase {
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      const std::coroutine_handle<> next = done.promise().awaiting;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  std::coroutine_handle<> awaiting;
  std::exception_ptr error;
};

template <class T>
struct CoroutinePromise : CoroutinePromiseBase {
  exec::Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
  std::optional<T> value;
};
template <>
struct CoroutinePromise<void> : CoroutinePromiseBase {
  exec::Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

/// The task behind a spawned coroutine's future.
template <class T>
class SpawnedTask final : public LocalTask<T> {
 public:
  explicit SpawnedTask(std::shared_ptr<Backend> backend)
      : LocalTask<T>(std::move(backend), nullptr, false) {
    this->claim();
  }
  void end_with(std::exception_ptr error) noexcept { this->fail(std::move(error)); }
};

/// A coroutine that runs at once and frees itself.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::CoroutinePromise<T>;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  /// Begins it, and gives what it returns or throws. Await a Task once.
  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> coroutine;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
        coroutine.promise().awaiting = awaiting;
        return coroutine;
      }
      T await_resume() const { return coroutine.promise().take(); }
    };
    return Awaiter{coroutine_};
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

template <class R>
internal::FutureAwaiter<Future<R>> operator co_await(Future<R>&& future) {
  return {std::move(future)};
}
template <class R>
internal::FutureAwaiter<SharedFuture<R>> operator co_await(SharedFuture<R> future) {
  return {std::move(future)};
}

/// Begins the coroutine on the calling thread; the future gives what it returns or throws.
template <class T>
Future<T> spawn(Task<T> coroutine) {
  internal::TaskRef task(new internal::SpawnedTask<T>(internal::continuations_backend()));
  [](Task<T> body, internal::TaskRef kept) -> internal::Detached {
    auto& result = static_cast<internal::SpawnedTask<T>&>(*kept);
    std::exception_ptr error;
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(body);
        result.value.emplace();
      } else {
        result.value.emplace(co_await std::move(body));
      }
    } catch (...) {
      error = std::current_exception();
    }
    result.end_with(error);
  }(std::move(coroutine), task);
  return internal::FutureAccess::make<Future<T>>(std::move(task));
}

namespace internal {

template <class T>
exec::Task<T> CoroutinePromise<T>::get_return_object() noexcept {
  return exec::Task<T>(std::coroutine_handle<CoroutinePromise>::from_promise(*this));
}
inline exec::Task<void> CoroutinePromise<void>::get_return_object() noexcept {
  return exec::Task<void>(std::coroutine_handle<CoroutinePromise>::from_promise(*this));
}

}  // namespace internal
}  // namespace mutirao::exec
