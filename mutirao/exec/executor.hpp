#pragma once

// Runs functions somewhere else: in line, on threads, in processes.
//
// Purpose: one interface in the manner of Python's concurrent.futures. Write against Executor& and
// choose where things run when you construct one: InlineExecutor, ThreadExecutor, ProcessExecutor.
// Requires: a task is something that any executor can send: a function, a captureless lambda, or a
// struct with `serialize`; arguments and result have a cereal `serialize` (those of the standard
// library do). A lambda with captures does not compile: pass captured values as arguments.
// Guarantees: each task runs once. Thread safety: submit and map from any thread. Ordering: what
// the caller wrote before submit is visible to the task. Failure: see exec/error.hpp; submit throws
// ExecutorClosed after shutdown. Lifetime: the destructor is shutdown(kCancel): it cancels what is
// queued and waits for what runs.
//
//   ProcessExecutor pool({.workers = 4});
//   Future<double> area = pool.submit([](double r) { return 3.14159 * r * r; }, 2.0);
//   std::vector<int> squares = pool.map([](int x) { return x * x; }, std::views::iota(0, 1000));

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mutirao/exec/cancellation.hpp"
#include "mutirao/exec/future.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/dependency.hpp"
#include "mutirao/exec/shared_future.hpp"
#include "mutirao/exec/task_options.hpp"

namespace mutirao::exec {

struct MapOptions {
  /// Items handed over at a time; 0 chooses. Every item stays a task of its own, with its own
  /// deadline and attempts: if one crashes, it alone has failed.
  std::size_t chunk = 0;
  std::size_t window = 0;  ///< most items under way at any time; 0 chooses
  TaskOptions task;        ///< of every item
};

class Executor {
 public:
  virtual ~Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Runs function(args...), all moved or copied, and gives its result. A Future or SharedFuture
  /// among the arguments is a dependency: the task begins when it is ready and gets its value (a
  /// void one is only waited for). If it failed, this task fails with DependencyFailed; if this
  /// executor is shut down by then, with ExecutorClosed.
  template <class F, class... Args>
  requires(!std::is_same_v<std::decay_t<F>, TaskOptions>) auto submit(F&& function,
                                                                      Args&&... args) {
    return start(nullptr, std::forward<F>(function), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  auto submit(TaskOptions options, F&& function, Args&&... args) {
    return start(internal::checked(std::move(options)), std::forward<F>(function),
                 std::forward<Args>(args)...);
  }

  /// function(item) for every item, in the order of the items. At most a bounded number of items is
  /// under way at any time, whatever the range. The error of the first item that failed is
  /// rethrown; items not begun by then are not run.
  template <class F, std::ranges::input_range Range>
  auto map(F function, Range&& items, MapOptions options = {}) {
    using Item = std::ranges::range_value_t<Range>;
    internal::require_sendable<F&, Item>();
    using R = internal::ResultOf<F&, Item>;
    static_assert(!std::is_void_v<R>, "map collects results: let the function return one");
    const std::size_t chunk = options.chunk != 0 ? options.chunk : internal::kDefaultChunk;
    const std::size_t window =
        options.window != 0 ? options.window : std::max<std::size_t>(2, worker_count()) * chunk * 2;
    const internal::OptionsRef task_options = internal::checked(std::move(options.task));
    std::vector<R> results;
    if constexpr (std::ranges::sized_range<Range>) results.reserve(std::ranges::size(items));
    std::deque<Future<R>> under_way;
    std::vector<internal::TaskRef> batch;
    const CancelRest<R> cancel_rest{*backend_, under_way};
    auto item = std::ranges::begin(items);
    const auto end = std::ranges::end(items);
    while (item != end || !under_way.empty()) {
      while (item != end && (under_way.empty() || under_way.size() + chunk <= window)) {
        for (std::size_t i = 0; i < chunk && under_way.size() < window && item != end;
             ++i, ++item) {
          batch.push_back(internal::make_task(backend_, task_options, function, Item(*item)));
          under_way.push_back(Future<R>(batch.back()));
        }
        backend_->start_all(batch);
        batch.clear();
      }
      Future<R> first = std::move(under_way.front());
      under_way.pop_front();
      results.push_back(first.get());
    }
    return results;
  }

  /// Takes no more tasks (submit throws ExecutorClosed) and returns when none runs and none will.
  /// May be called again, from any thread but a task's of this executor, to ask for more than
  /// before.
  void shutdown(Shutdown how = Shutdown::kWait) { backend_->shut_down(how); }

  ExecutorStats stats() const { return backend_->stats(); }
  /// How many tasks can run at the same time.
  std::size_t worker_count() const noexcept { return backend_->worker_count(); }

 protected:
  explicit Executor(std::shared_ptr<internal::Backend> backend) : backend_(std::move(backend)) {}
  const std::shared_ptr<internal::Backend>& backend() const noexcept { return backend_; }
  template <class F, class... Args>
  auto submit_local(TaskOptions options, F&& function, Args&&... args) {
    if constexpr (internal::kHasFutures<Args...>) {
      using Call = internal::DeferredCall<std::decay_t<F>, internal::ValuesOf<Args...>>;
      return Future<typename Call::Result>(Call::start_local(
          backend_, internal::checked(std::move(options)), std::forward<F>(function),
          std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)));
    } else {
      internal::TaskRef task =
          internal::make_local_task(backend_, internal::checked(std::move(options)),
                                    std::forward<F>(function), std::forward<Args>(args)...);
      backend_->start(task);
      return Future<internal::ResultOf<F, Args...>>(std::move(task));
    }
  }

 private:
  friend class CancelOnInterrupt;

  template <class F, class... Args>
  auto start(internal::OptionsRef options, F&& function, Args&&... args) {
    if constexpr (internal::kHasFutures<Args...>) {
      using Call = internal::DeferredCall<std::decay_t<F>, internal::ValuesOf<Args...>>;
      Call::require_sendable();
      return Future<typename Call::Result>(
          Call::start(backend_, std::move(options), std::forward<F>(function),
                      std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)));
    } else {
      internal::require_sendable<F, Args...>();
      using R = internal::ResultOf<F, Args...>;
      internal::TaskRef task = internal::make_task(
          backend_, std::move(options), std::forward<F>(function), std::forward<Args>(args)...);
      backend_->start(task);
      return Future<R>(std::move(task));
    }
  }

  /// When map ends early, what has not begun is taken back.
  template <class R>
  struct CancelRest {
    internal::Backend& backend;
    std::deque<Future<R>>& futures;
    ~CancelRest() {
      for (Future<R>& future : futures) backend.cancel_queued(*future.task_);
    }
  };

  const std::shared_ptr<internal::Backend> backend_;
};

template <class R>
template <class F>
auto Future<R>::then(Executor& executor, F&& function) && {
  return executor.submit(std::forward<F>(function), std::move(*this));
}

}  // namespace mutirao::exec
