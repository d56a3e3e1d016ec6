#include "mutirao/core/error.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mutirao::core {
namespace {

std::string system_message(int error_number) {
  char buffer[256];
  return ::strerror_r(error_number, buffer, sizeof buffer);
}

void append_causes(const std::exception& error, std::string& text, std::string& hint) {
  if (const auto* ours = dynamic_cast<const Error*>(&error); ours && hint.empty())
    hint = ours->hint();
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception& cause) {
    text += fmt::format("\n  because: {}", cause.what());
    append_causes(cause, text, hint);
  } catch (...) {
    text += "\n  because: an exception of a type that is not std::exception";
  }
}

}  // namespace

std::string_view name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kInvalidInput:
      return "invalid_input";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kOutOfSpace:
      return "out_of_space";
    case ErrorCode::kCorruptFile:
      return "corrupt_file";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kTask:
      return "task";
    case ErrorCode::kTaskCrashed:
      return "task_crashed";
    case ErrorCode::kTaskTimeout:
      return "task_timeout";
    case ErrorCode::kMemoryLimit:
      return "memory_limit";
    case ErrorCode::kWorkerInitFailed:
      return "worker_init_failed";
    case ErrorCode::kNotSerializable:
      return "not_serializable";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kExecutorClosed:
      return "executor_closed";
    case ErrorCode::kDependencyFailed:
      return "dependency_failed";
    case ErrorCode::kRendezvousFailed:
      return "rendezvous_failed";
    case ErrorCode::kRankFailed:
      return "rank_failed";
    case ErrorCode::kCollectiveTimeout:
      return "collective_timeout";
    case ErrorCode::kCollectiveMismatch:
      return "collective_mismatch";
  }
  return "unknown";
}

Error::Error(ErrorCode code, const std::string& message, std::string hint)
    : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

IoError::IoError(const std::string& message, int error_number, std::string hint)
    : IoError(Restored{}, fmt::format("{}: {}", message, system_message(error_number)),
              error_number, std::move(hint)) {}

IoError::IoError(Restored, const std::string& text, int error_number, std::string hint)
    : Error(error_number == ENOSPC || error_number == EDQUOT ? ErrorCode::kOutOfSpace
                                                             : ErrorCode::kIo,
            text, std::move(hint)),
      error_number_(error_number) {}

IoError IoError::restored(const std::string& text, int error_number, std::string hint) {
  return {Restored{}, text, error_number, std::move(hint)};
}

std::string describe(const std::exception& error) {
  std::string text = error.what();
  std::string hint;
  append_causes(error, text, hint);
  if (!hint.empty()) text += "\nhint: " + hint;
  return text;
}

}  // namespace mutirao::core
