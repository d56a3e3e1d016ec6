#pragma once

// Turns submit(function, args...) into a task, here or in another process.

#include <concepts>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/types/array.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/exec/internal/function_id.hpp"
#include "mutirao/exec/internal/remote_task.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

inline constexpr std::size_t kDefaultChunk = 8;
// Most calls are encoded in fewer bytes, for which memory is asked once.
inline constexpr std::size_t kUsualRequest = 64;

template <class F, class... Args>
using ResultOf = std::decay_t<std::invoke_result_t<std::decay_t<F>&, std::decay_t<Args>...>>;

template <class T>
concept Serializable = !std::is_pointer_v<T> &&
                       cereal::traits::is_output_serializable<T, core::OutputArchive>::value &&
                       cereal::traits::is_input_serializable<T, core::InputArchive>::value &&
                       std::default_initializable<T>;

template <class F>
concept FunctionPointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;

template <class F>
concept Captureless = std::is_empty_v<F> && std::default_initializable<F>;

template <class F>
concept SendableFunction = FunctionPointer<F> || Captureless<F> || Serializable<F>;

template <class F, class... Args>
concept Sendable = SendableFunction<std::decay_t<F>> &&(Serializable<std::decay_t<Args>>&&...);

template <class F, class... Args>
constexpr void require_sendable() {
  static_assert(std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>...>,
                "the function cannot be called with these arguments (they arrive by value)");
  static_assert(SendableFunction<std::decay_t<F>>,
                "a task must be a function, a lambda without captures, or a struct with serialize: "
                "pass captured values as arguments");
  static_assert((Serializable<std::decay_t<Args>> && ...),
                "an argument cannot be sent to another process: give its type a default "
                "constructor and serialize(Archive&), or include its <cereal/types/...> header");
  if constexpr (std::is_invocable_v<std::decay_t<F>&, std::decay_t<Args>...>) {
    using R = ResultOf<F, Args...>;
    static_assert(std::is_void_v<R> || Serializable<R>,
                  "the result cannot be sent back: give its type a default constructor and "
                  "serialize(Archive&), or include its <cereal/types/...> header");
  }
}

/// What a worker hands to the entry of a call: the bytes to decode, where the outcome goes, and the
/// word that says how far the task has come.
class RemoteCall {
 public:
  virtual core::InputArchive& input() = 0;
  virtual core::OutputArchive& output() = 0;
  virtual void running() noexcept = 0;
  virtual void encoding() noexcept = 0;

 protected:
  ~RemoteCall() = default;
};
using RemoteEntry = void (*)(RemoteCall&);

template <class F>
void save_function(core::OutputArchive& archive, const F& function) {
  if constexpr (FunctionPointer<F>) {
    FunctionId id = identify(reinterpret_cast<AnyFunction>(function));
    archive(id);
  } else if constexpr (!Captureless<F>) {
    archive(function);
  }
}

template <class F>
F load_function(core::InputArchive& archive) {
  if constexpr (FunctionPointer<F>) {
    FunctionId id;
    archive(id);
    return reinterpret_cast<F>(resolve(id));
  } else {
    F function{};
    if constexpr (!Captureless<F>) archive(function);
    return function;
  }
}

/// Runs in the worker: decode, call, encode.
template <class F, class... Args>
void remote_entry(RemoteCall& call) {
  F function = load_function<F>(call.input());
  std::tuple<Args...> arguments;
  std::apply([&](auto&... each) { (call.input()(each), ...); }, arguments);
  call.running();
  using R = ResultOf<F, Args...>;
  if constexpr (std::is_void_v<R>) {
    std::apply(function, std::move(arguments));
    call.encoding();
  } else {
    // What the function returns a reference to is encoded where it lies.
    const auto& result = std::apply(function, std::move(arguments));
    call.encoding();
    call.output()(static_cast<const R&>(result));
  }
}

/// Begins the encoded call: who to run. Throws what a serializer throws, as NotSerializable.
void save_entry(core::OutputArchive& archive, const FunctionId& entry);
/// Call inside a catch clause.
[[noreturn]] void throw_not_serializable(const std::string& task);

template <class F, class... Args>
class LocalCall final : public LocalTask<ResultOf<F, Args...>> {
 public:
  using Call = std::pair<F, std::tuple<Args...>>;
  static constexpr bool kRepeatable = std::is_copy_constructible_v<Call>;

  template <class G, class... Given>
  LocalCall(std::shared_ptr<Backend> backend, OptionsRef options, G&& function, Given&&... args)
      : LocalTask<ResultOf<F, Args...>>(std::move(backend), std::move(options), false),
        call_(std::in_place, std::forward<G>(function),
              std::tuple<Args...>(std::forward<Given>(args)...)) {}

  /// One whose arguments come later, through prepare().
  LocalCall(std::shared_ptr<Backend> backend, OptionsRef options)
      : LocalTask<ResultOf<F, Args...>>(std::move(backend), std::move(options), false) {}
  void prepare(F function, std::tuple<Args...> arguments) {
    call_.emplace(std::move(function), std::move(arguments));
  }

  void run() noexcept override {
    const CurrentTask current(this);
    std::exception_ptr error;
    unsigned attempt = 0;
    do {
      error = nullptr;
      try {
        run_once(++attempt);
      } catch (...) {
        error = std::current_exception();
      }
    } while (this->run_again(error, attempt));
  }

 private:
  void run_once(unsigned attempt) {
    if (!this->has_options()) {
      call(*call_);
      call_.reset();
      return;
    }
    const LocalTimeout timeout(*this);
    if constexpr (kRepeatable) {
      if (attempt < this->options().retry.attempts) {
        Call copy = *call_;
        return call(copy);
      }
    }
    call(*call_);
    call_.reset();
  }
  void call(Call& stored) {
    auto& [function, arguments] = stored;
    if constexpr (std::is_void_v<ResultOf<F, Args...>>) {
      std::apply(function, std::move(arguments));
      this->value.emplace();
    } else {
      this->value.emplace(std::apply(function, std::move(arguments)));
    }
  }

  std::optional<Call> call_;
};

[[noreturn]] void throw_not_repeatable(const std::string& task);

template <class Call>
void check_repeatable(const OptionsRef& options) {
  if (options && options->retry.attempts > 1 && !Call::kRepeatable)
    throw_not_repeatable(options->name);
}

/// F and Args are not references. Throws NotSerializable.
template <class F, class... Args>
void encode_call(RemoteTask& task, const F& function, const Args&... args) {
  static const FunctionId kEntry =
      identify(reinterpret_cast<AnyFunction>(&remote_entry<F, Args...>));
  core::OutputArchive archive(task.request, task.block_source());
  try {
    task.request.bytes.reserve(kUsualRequest);
    save_entry(archive, kEntry);
    save_function(archive, function);
    (archive(args), ...);
  } catch (...) {
    throw_not_serializable(task.name());
  }
}

template <class F, class... Args>
TaskRef make_local_task(const std::shared_ptr<Backend>& backend, OptionsRef options, F&& function,
                        Args&&... args) {
  using Task = LocalCall<std::decay_t<F>, std::decay_t<Args>...>;
  check_repeatable<Task>(options);
  return TaskRef(new Task(backend, std::move(options), std::forward<F>(function),
                          std::forward<Args>(args)...));
}

template <class F, class... Args>
TaskRef make_task(const std::shared_ptr<Backend>& backend, OptionsRef options, F&& function,
                  Args&&... args) {
  if (!backend->remote()) {
    return make_local_task(backend, std::move(options), std::forward<F>(function),
                           std::forward<Args>(args)...);
  }
  auto* task = new RemoteTask(backend, std::move(options));
  TaskRef reference(task);
  encode_call<std::decay_t<F>, std::decay_t<Args>...>(*task, function, args...);
  return reference;
}

}  // namespace mutirao::exec::internal
