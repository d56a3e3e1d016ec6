#pragma once

// Futures as arguments: the task begins when they are ready, with their values.

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mutirao/exec/future.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/shared_future.hpp"

namespace mutirao::exec::internal {

template <class T>
struct Dependency {
  static constexpr bool kIsFuture = false;
  using Values = std::tuple<T>;
  static Values take(T& argument) { return Values(std::move(argument)); }
};
template <class R>
struct Dependency<Future<R>> {
  static constexpr bool kIsFuture = true;
  using Values = std::tuple<R>;
  static Values take(Future<R>& future) { return Values(future.get()); }
};
template <class R>
struct Dependency<SharedFuture<R>> {
  static constexpr bool kIsFuture = true;
  using Values = std::tuple<R>;
  static Values take(SharedFuture<R>& future) { return Values(future.get()); }
};
// A task that returns nothing is only waited for.
template <>
struct Dependency<Future<void>> {
  static constexpr bool kIsFuture = true;
  using Values = std::tuple<>;
  static Values take(Future<void>& future) { return future.get(), Values(); }
};
template <>
struct Dependency<SharedFuture<void>> {
  static constexpr bool kIsFuture = true;
  using Values = std::tuple<>;
  static Values take(SharedFuture<void>& future) { return future.get(), Values(); }
};

template <class... Args>
constexpr bool kHasFutures = (Dependency<std::decay_t<Args>>::kIsFuture || ...);

/// What the function is called with: a tuple.
template <class... Args>
using ValuesOf =
    decltype(std::tuple_cat(std::declval<typename Dependency<std::decay_t<Args>>::Values>()...));

/// Whether submit(F, Args...), with futures resolved, can be sent to another process.
template <class F, class Values>
struct SendableWith;
template <class F, class... Values>
struct SendableWith<F, std::tuple<Values...>> {
  static constexpr bool kValue = Sendable<F, Values...>;
};
template <class F, class... Args>
concept SendableCall = SendableWith<F, ValuesOf<Args...>>::kValue;

/// Starts the task when all of `needs` are done: `prepare` gives it its arguments first, on
/// Runtime::continuations(). When one has failed, so does the task, with DependencyFailed.
void start_after(const TaskRef& task, std::vector<TaskRef> needs, std::function<void()> prepare);

template <class F, class Values>
struct DeferredCall;

template <class F, class... Values>
struct DeferredCall<F, std::tuple<Values...>> {
  using Result = ResultOf<F, Values...>;

  static constexpr void require_sendable() { internal::require_sendable<F, Values...>(); }

  /// The function and the arguments, with futures among them, until these are ready.
  template <class... Args>
  struct Stored {
    F function;
    std::tuple<Args...> arguments;

    std::vector<TaskRef> needs() {
      std::vector<TaskRef> found;
      std::apply([&](auto&... each) { (add_need(found, each), ...); }, arguments);
      return found;
    }
    std::tuple<Values...> take() {
      return std::apply(
          [](auto&... each) {
            return std::tuple_cat(Dependency<std::decay_t<decltype(each)>>::take(each)...);
          },
          arguments);
    }
  };

  template <class... Args>
  static TaskRef start(const std::shared_ptr<Backend>& backend, OptionsRef options, F function,
                       std::tuple<Args...> arguments) {
    if (!backend->remote())
      return start_local(backend, std::move(options), std::move(function), std::move(arguments));
    const auto stored =
        std::make_shared<Stored<Args...>>(std::move(function), std::move(arguments));
    TaskRef task(new RemoteTask(backend, std::move(options)));
    start_after(task, stored->needs(), [raw = task.get(), stored] {
      std::apply(
          [&](const auto&... values) {
            encode_call<F, Values...>(static_cast<RemoteTask&>(*raw), stored->function, values...);
          },
          stored->take());
    });
    return task;
  }

  template <class... Args>
  static TaskRef start_local(const std::shared_ptr<Backend>& backend, OptionsRef options,
                             F function, std::tuple<Args...> arguments) {
    using Call = LocalCall<F, Values...>;
    check_repeatable<Call>(options);
    const auto stored =
        std::make_shared<Stored<Args...>>(std::move(function), std::move(arguments));
    TaskRef task(new Call(backend, std::move(options)));
    start_after(task, stored->needs(), [raw = task.get(), stored] {
      static_cast<Call&>(*raw).prepare(std::move(stored->function), stored->take());
    });
    return task;
  }

  template <class T>
  static void add_need(std::vector<TaskRef>& needs, T& argument) {
    if constexpr (Dependency<T>::kIsFuture) {
      if (!argument.valid()) throw_empty_future();
      needs.push_back(FutureAccess::task(argument));
    }
  }
};

}  // namespace mutirao::exec::internal
