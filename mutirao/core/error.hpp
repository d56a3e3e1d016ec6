#pragma once

// The one tree of recoverable errors.
//
// Purpose: everything that can go wrong at run time and is not a bug is thrown as core::Error or a
// class below it. Each carries a stable code, one sentence for people (what, where), optionally a
// hint (what to do next) and optionally the error that caused it. Broken invariants are assertions
// instead.
//
// Thread safety: errors are values; distinct objects may be used from distinct threads.
// Failure: constructing one may throw std::bad_alloc, nothing else.

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mutirao::core {

/// Stable across versions: numbers are written to logs and travel between processes.
enum class ErrorCode : std::int32_t {
  kInternal = 1,             ///< a promise of this library did not hold; please report it
  kInvalidArgument = 2,      ///< a caller's argument or option
  kInvalidInput = 3,         ///< data or a file given by the user
  kIo = 4,                   ///< the system refused a read, a write, an open
  kOutOfSpace = 5,           ///< the disk is full
  kCorruptFile = 6,          ///< a file of ours is cut short or damaged
  kUnsupported = 7,          ///< not possible in this build or on this machine
  kTask = 100,               ///< a task threw a type that is not known here
  kTaskCrashed = 101,        ///< the process that ran the task died
  kTaskTimeout = 102,        ///< the task ran past its time
  kMemoryLimit = 103,        ///< the task took more memory than it was given
  kWorkerInitFailed = 104,   ///< a worker could not be started
  kNotSerializable = 105,    ///< an argument or a result could not be encoded
  kCancelled = 106,          ///< the task was cancelled
  kExecutorClosed = 107,     ///< the executor no longer takes or runs tasks
  kDependencyFailed = 108,   ///< a task that this one waits for failed
  kRendezvousFailed = 200,   ///< the ranks of a program did not find each other
  kRankFailed = 201,         ///< a rank died, stopped or left while others needed it
  kCollectiveTimeout = 202,  ///< a rank did not come to a collective in time
  kCollectiveMismatch = 203  ///< ranks came to different collectives
};

/// "invalid_input" for kInvalidInput, and so on; "unknown" for a number that is none of the above.
std::string_view name_of(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  /// what() is `message`; a hint says what to do next, in the imperative.
  Error(ErrorCode code, const std::string& message, std::string hint = {});

  ErrorCode code() const noexcept { return code_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

/// An argument or option that cannot be used.
class InvalidArgument : public Error {
 public:
  explicit InvalidArgument(const std::string& message, std::string hint = {})
      : Error(ErrorCode::kInvalidArgument, message, std::move(hint)) {}
};

/// Data or a file, given by the user, that cannot be used.
class InvalidInput : public Error {
 public:
  explicit InvalidInput(const std::string& message, std::string hint = {})
      : Error(ErrorCode::kInvalidInput, message, std::move(hint)) {}
};

/// A file written by this project that is cut short, damaged, or of a newer version.
class CorruptFile : public Error {
 public:
  explicit CorruptFile(const std::string& message, std::string hint = {})
      : Error(ErrorCode::kCorruptFile, message, std::move(hint)) {}
};

/// The system refused an operation; `error_number` is its errno.
class IoError : public Error {
 public:
  IoError(const std::string& message, int error_number, std::string hint = {});
  /// An error that was written down: what() is `text`, which already says what the system said.
  static IoError restored(const std::string& text, int error_number, std::string hint);
  int error_number() const noexcept { return error_number_; }

 private:
  struct Restored {};
  IoError(Restored, const std::string& text, int error_number, std::string hint);

  int error_number_;
};

/// This build or this machine cannot do what was asked.
class Unsupported : public Error {
 public:
  explicit Unsupported(const std::string& message, std::string hint = {})
      : Error(ErrorCode::kUnsupported, message, std::move(hint)) {}
};

/// A promise of this library did not hold.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message)
      : Error(ErrorCode::kInternal, message,
              "this is a bug in mutirao; please report it with the line above") {}
};

/// For people: the message, then `  because: ...` for each nested cause, then `hint: ...`; lines
/// are joined by '\n', no last one.
std::string describe(const std::exception& error);

}  // namespace mutirao::core
