#include "mutirao/exec/internal/remote_exception.hpp"

#include <any>
#include <array>
#include <cstdint>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <variant>
#include <vector>

#include <cxxabi.h>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/registered_exception.hpp"

namespace mutirao::exec::internal {
namespace {

/// One exception of a chain, as data.
struct Record {
  std::string rule;  // which rule of kRules rebuilds it; empty: TaskError
  std::string type;
  std::string message;
  std::string hint;
  std::int32_t code = 0;
  std::int32_t number = 0;  // errno, error value, signal
  std::int32_t extra = 0;   // exit code
  std::int32_t phase = 0;
  std::int32_t pid = 0;
  std::string text;  // task, category
  std::string tail;
  std::uint64_t first_amount = 0;  // limit, nanoseconds
  std::uint64_t second_amount = 0;
  std::vector<std::string> lines;
  std::string codec;   // of a registered type
  std::string object;  // what it wrote
  std::uint32_t first_attachment = 0;
  std::uint32_t attachments = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rule, type, message, hint, code, number, extra, phase, pid, text, tail, first_amount,
            second_amount, lines, codec, object, first_attachment, attachments);
  }
};

/// How one type is recognised, taken apart and thrown again. `thrower` receives a function that
/// throws its argument, alone or with a cause nested in it.
struct Rule {
  const char* name;
  bool (*matches)(const std::exception&);
  bool (*exact)(const std::exception&);
  void (*save)(const std::exception&, Record&);
  void (*raise)(const Record&, bool nested);
};

template <class E>
[[noreturn]] void raise_as(E error, bool nested) {
  if (nested) std::throw_with_nested(std::move(error));
  throw error;
}

template <class E>
Rule rule_for(const char* name, void (*save)(const std::exception&, Record&),
              void (*raise)(const Record&, bool)) {
  return {name, [](const std::exception& e) { return dynamic_cast<const E*>(&e) != nullptr; },
          [](const std::exception& e) { return typeid(e) == typeid(E); }, save, raise};
}

void save_nothing(const std::exception&, Record&) {}

template <class E>
Rule message_rule(const char* name) {
  return rule_for<E>(name, &save_nothing,
                     [](const Record& r, bool nested) { raise_as(E(r.message), nested); });
}

template <class E>
Rule plain_rule(const char* name) {
  return rule_for<E>(name, &save_nothing,
                     [](const Record&, bool nested) { raise_as(E(), nested); });
}

void save_error(const std::exception& e, Record& r) {
  const auto& error = dynamic_cast<const core::Error&>(e);
  r.hint = error.hint();
  r.code = static_cast<std::int32_t>(error.code());
}

template <class E>
Rule hinted_rule(const char* name) {
  return rule_for<E>(name, &save_error,
                     [](const Record& r, bool nested) { raise_as(E(r.message, r.hint), nested); });
}

template <class E>
Rule unhinted_rule(const char* name) {
  return rule_for<E>(name, &save_error,
                     [](const Record& r, bool nested) { raise_as(E(r.message), nested); });
}

void save_io_error(const std::exception& e, Record& r) {
  save_error(e, r);
  r.number = dynamic_cast<const core::IoError&>(e).error_number();
}

void save_task_error(const std::exception& e, Record& r) {
  save_error(e, r);
  r.text = dynamic_cast<const TaskError&>(e).type();
}

void save_crash(const std::exception& e, Record& r) {
  save_error(e, r);
  const TaskCrashed::Details& details = dynamic_cast<const TaskCrashed&>(e).details();
  r.text = details.task;
  r.number = details.signal;
  r.extra = details.exit_code;
  r.phase = static_cast<std::int32_t>(details.phase);
  r.pid = details.worker;
  r.tail = details.stderr_tail;
  r.first_amount = details.stack_overflow ? 1 : 0;
  r.lines = details.backtrace;
}

void raise_crash(const Record& r, bool nested) {
  raise_as(TaskCrashed({r.text, r.number, r.extra, static_cast<TaskPhase>(r.phase), r.pid, r.tail,
                        r.first_amount != 0, r.lines}),
           nested);
}

void save_timeout(const std::exception& e, Record& r) {
  save_error(e, r);
  const auto& timeout = dynamic_cast<const TaskTimeout&>(e);
  r.text = timeout.task();
  r.first_amount = static_cast<std::uint64_t>(timeout.timeout().count());
}

void raise_timeout(const Record& r, bool nested) {
  raise_as(TaskTimeout(r.text, std::chrono::nanoseconds(r.first_amount)), nested);
}

void save_memory_limit(const std::exception& e, Record& r) {
  save_error(e, r);
  const auto& details = dynamic_cast<const MemoryLimitExceeded&>(e).details();
  r.text = details.task;
  r.number = static_cast<std::int32_t>(details.seen);
  r.first_amount = details.limit_bytes;
  r.second_amount = details.used_bytes;
}

void raise_memory_limit(const Record& r, bool nested) {
  raise_as(MemoryLimitExceeded({r.text, r.first_amount, r.second_amount,
                                static_cast<MemoryLimitExceeded::Seen>(r.number)}),
           nested);
}

template <class E>
void save_code(const std::exception& e, Record& r) {
  const std::error_code& code = dynamic_cast<const E&>(e).code();
  r.number = code.value();
  r.text = code.category().name();
}

std::error_code code_of(const Record& r) {
  if (r.text == std::system_category().name()) return {r.number, std::system_category()};
  if (r.text == std::iostream_category().name()) return {r.number, std::iostream_category()};
  if (r.text == std::future_category().name()) return {r.number, std::future_category()};
  return {r.number, std::generic_category()};
}

/// what() of a system_error is "<text>: <code's message>"; its constructor adds the latter again.
std::string without_code(const Record& r) {
  const std::string suffix = ": " + code_of(r).message();
  return r.message.ends_with(suffix) ? r.message.substr(0, r.message.size() - suffix.size())
                                     : r.message;
}

/// Most derived first: the first that matches is the nearest known ancestor.
const std::vector<Rule>& rules() {
  static const std::vector<Rule>& list = *new std::vector<Rule>{
      hinted_rule<core::InvalidArgument>("core.InvalidArgument"),
      hinted_rule<core::InvalidInput>("core.InvalidInput"),
      hinted_rule<core::CorruptFile>("core.CorruptFile"),
      hinted_rule<core::Unsupported>("core.Unsupported"),
      unhinted_rule<core::InternalError>("core.InternalError"),
      rule_for<core::IoError>("core.IoError", &save_io_error,
                              [](const Record& r, bool nested) {
                                raise_as(core::IoError::restored(r.message, r.number, r.hint),
                                         nested);
                              }),
      rule_for<TaskError>(
          "exec.TaskError", &save_task_error,
          [](const Record& r, bool nested) { raise_as(TaskError(r.text, r.message), nested); }),
      rule_for<TaskCrashed>("exec.TaskCrashed", &save_crash, &raise_crash),
      rule_for<TaskTimeout>("exec.TaskTimeout", &save_timeout, &raise_timeout),
      rule_for<MemoryLimitExceeded>("exec.MemoryLimitExceeded", &save_memory_limit,
                                    &raise_memory_limit),
      hinted_rule<WorkerInitFailed>("exec.WorkerInitFailed"),
      hinted_rule<NotSerializable>("exec.NotSerializable"),
      unhinted_rule<Cancelled>("exec.Cancelled"),
      unhinted_rule<DependencyFailed>("exec.DependencyFailed"),
      unhinted_rule<ExecutorClosed>("exec.ExecutorClosed"),
      rule_for<core::Error>(
          "core.Error", &save_error,
          [](const Record& r, bool nested) {
            raise_as(core::Error(static_cast<core::ErrorCode>(r.code), r.message, r.hint), nested);
          }),
      message_rule<std::invalid_argument>("std.invalid_argument"),
      message_rule<std::domain_error>("std.domain_error"),
      message_rule<std::length_error>("std.length_error"),
      message_rule<std::out_of_range>("std.out_of_range"),
      rule_for<std::future_error>(
          "std.future_error", &save_code<std::future_error>,
          [](const Record& r, bool nested) {
            raise_as(std::future_error(static_cast<std::future_errc>(r.number)), nested);
          }),
      message_rule<std::logic_error>("std.logic_error"),
      message_rule<std::range_error>("std.range_error"),
      message_rule<std::overflow_error>("std.overflow_error"),
      message_rule<std::underflow_error>("std.underflow_error"),
      rule_for<std::ios_base::failure>(
          "std.ios_failure", &save_code<std::ios_base::failure>,
          [](const Record& r, bool nested) {
            raise_as(std::ios_base::failure(without_code(r), code_of(r)), nested);
          }),
      rule_for<std::system_error>("std.system_error", &save_code<std::system_error>,
                                  [](const Record& r, bool nested) {
                                    raise_as(std::system_error(code_of(r), without_code(r)),
                                             nested);
                                  }),
      message_rule<std::runtime_error>("std.runtime_error"),
      plain_rule<std::bad_array_new_length>("std.bad_array_new_length"),
      plain_rule<std::bad_alloc>("std.bad_alloc"),
      plain_rule<std::bad_any_cast>("std.bad_any_cast"),
      plain_rule<std::bad_cast>("std.bad_cast"),
      plain_rule<std::bad_typeid>("std.bad_typeid"),
      plain_rule<std::bad_function_call>("std.bad_function_call"),
      plain_rule<std::bad_optional_access>("std.bad_optional_access"),
      plain_rule<std::bad_variant_access>("std.bad_variant_access"),
      plain_rule<std::bad_weak_ptr>("std.bad_weak_ptr"),
  };
  return list;
}

std::string readable(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type.name();
}

Record record_of(const std::exception& error) {
  Record record;
  record.message = error.what();
  record.type = readable(typeid(error));
  // throw_with_nested makes a type of its own from the thrown one, which hides the exact type;
  // then the nearest known ancestor is what was thrown.
  const bool wrapped = dynamic_cast<const std::nested_exception*>(&error) != nullptr;
  for (const Rule& rule : rules()) {
    if (!(wrapped ? rule.matches(error) : rule.exact(error))) continue;
    record.rule = rule.name;
    rule.save(error, record);
    break;
  }
  return record;
}

Record record_of(std::string type, std::string message) {
  Record record;
  record.type = std::move(type);
  record.message = std::move(message);
  return record;
}

struct Codecs {
  std::mutex mutex;
  std::vector<ExceptionCodec> all;  // guarded by mutex
};

Codecs& codecs() {
  static Codecs& registered = *new Codecs;
  return registered;
}

std::vector<ExceptionCodec> all_codecs() {
  const std::lock_guard lock(codecs().mutex);
  return codecs().all;
}

/// If the exception that is being handled is of a registered type: what it writes.
void save_registered(core::OutputArchive& archive, Record& record) {
  const std::vector<ExceptionCodec> registered = all_codecs();
  // A derived class is registered after its base.
  for (auto codec = registered.rbegin(); codec != registered.rend(); ++codec) {
    core::Payload payload;
    core::OutputArchive part(payload);
    try {
      if (!codec->save(part)) continue;
    } catch (...) {
      // It cannot be sent: its name and message can.
      return;
    }
    record.codec = codec->type;
    record.object.assign(reinterpret_cast<const char*>(payload.bytes.data()), payload.bytes.size());
    record.attachments = static_cast<std::uint32_t>(payload.attachments.size());
    for (const auto& memory : payload.attachments) {
      const std::uint32_t number = archive.attach(memory);
      if (&memory == &payload.attachments.front()) record.first_attachment = number;
    }
    return;
  }
}

/// Null when the type is not registered here, or what it wrote cannot be read.
Rethrow load_registered(const core::InputArchive& archive, const Record& record) {
  if (record.codec.empty()) return nullptr;
  for (const ExceptionCodec& codec : all_codecs()) {
    if (codec.type != record.codec) continue;
    try {
      std::vector<std::shared_ptr<core::SharedMemory>> attachments;
      for (std::uint32_t i = 0; i < record.attachments; ++i)
        attachments.push_back(archive.attachment(record.first_attachment + i));
      core::InputArchive part(std::as_bytes(std::span(record.object)), attachments);
      return codec.load(part);
    } catch (...) {
      return nullptr;
    }
  }
  return nullptr;
}

std::vector<Record> chain_of(core::OutputArchive& archive, std::exception_ptr error) {
  constexpr std::size_t kLongestChain = 32;
  std::vector<Record> chain;
  while (error && chain.size() < kLongestChain) {
    std::exception_ptr cause;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      chain.push_back(record_of(exception));
      if (const auto* nested = dynamic_cast<const std::nested_exception*>(&exception))
        cause = nested->nested_ptr();
    } catch (const char* text) {
      chain.push_back(record_of("char const*", text));
    } catch (const std::string& text) {
      chain.push_back(record_of("std::string", text));
    } catch (...) {
      const std::type_info* type = abi::__cxa_current_exception_type();
      const std::string name = type ? readable(*type) : "an unknown type";
      chain.push_back(record_of(name, "the task threw " + name));
    }
    try {
      std::rethrow_exception(error);
    } catch (...) {
      save_registered(archive, chain.back());
    }
    error = cause;
  }
  return chain;
}

void raise(const Record& record, const Rethrow& registered, bool nested) {
  if (registered) registered(nested);
  for (const Rule& rule : rules()) {
    if (record.rule == rule.name) rule.raise(record, nested);
  }
  raise_as(TaskError(record.type, record.message), nested);
}

}  // namespace

void register_codec(const ExceptionCodec& codec) {
  const std::lock_guard lock(codecs().mutex);
  for (const ExceptionCodec& each : codecs().all) {
    if (std::string_view(each.type) == codec.type) return;
  }
  codecs().all.push_back(codec);
}

void save_exception(core::OutputArchive& archive, const std::exception_ptr& error) {
  std::vector<Record> chain = chain_of(archive, error);
  archive(chain);
}

std::exception_ptr load_exception(core::InputArchive& archive) {
  std::vector<Record> chain;
  archive(chain);
  std::exception_ptr error;
  for (auto record = chain.rbegin(); record != chain.rend(); ++record) {
    const Rethrow registered = load_registered(archive, *record);
    try {
      if (!error) raise(*record, registered, false);
      try {
        std::rethrow_exception(error);
      } catch (...) {
        raise(*record, registered, true);
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
  return error;
}

}  // namespace mutirao::exec::internal
