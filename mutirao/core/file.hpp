#pragma once

// Files that are written whole or not at all, and files that only grow.
//
// Guarantees: whoever opens the path of an AtomicFile sees what was there before or all of what
// was written, also after a crash or a full disk, and after commit() a power cut as well. A line of
// an AppendFile is written by one system call; one for which the disk has no room leaves nothing of
// itself. Thread safety: one object, one thread. Failure: core::IoError that names the path; its
// code is kOutOfSpace when the disk is full. Lifetime: an AtomicFile that is destroyed before
// commit() leaves nothing behind; one whose process is killed leaves a file that ends in
// kUnfinishedSuffix.

#include <cstddef>
#include <string>
#include <string_view>

#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {

inline constexpr std::string_view kUnfinishedSuffix = ".unfinished";

class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Bytes written so far.
  std::size_t size() const noexcept { return size_; }
  /// Puts the file in place, on disk.
  void commit();
  /// Puts the file in place, and leaves to the system when it comes on disk: after a power cut it
  /// may be in place and cut short. Many times faster.
  void commit_unsynced();

  /// Where the bytes are until commit(), for whoever writes them by name.
  const std::string& unfinished_path() const noexcept { return unfinished_; }

 private:
  std::string path_;
  std::string unfinished_;  // empty once committed
  UniqueFd fd_;
  std::size_t size_ = 0;
};

class AppendFile {
 public:
  /// Creates the file if it is not there.
  explicit AppendFile(std::string path);
  /// Appends `line` and a line break.
  void append_line(std::string_view line);
  /// Takes away all but the first `bytes`.
  void truncate(std::size_t bytes);
  /// Keeps other processes from locking the file until this object, or the process, is gone; false
  /// when another one has it. True, too, where the file system knows no locks.
  bool try_lock();
  /// Whether the path still means this file: that nobody has removed or replaced it.
  bool in_place() const noexcept;

 private:
  std::string path_;
  UniqueFd fd_;
};

/// The whole of a file. Throws IoError.
std::string read_file(const std::string& path);

/// Puts a file on disk, or the names in a folder. Throws IoError.
void sync_path(const std::string& path);

}  // namespace mutirao::core
