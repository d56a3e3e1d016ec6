#include "mutirao/core/file.hpp"

#include <cerrno>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {
namespace {

[[noreturn]] void fail_writing(const std::string& path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  throw IoError(fmt::format("cannot write {}", path), error_number,
                full ? "free some space, or write elsewhere" : "");
}

void write_all(int fd, const void* data, std::size_t bytes, const std::string& path) {
  const auto* next = static_cast<const char*>(data);
  while (bytes != 0) {
    const ssize_t written = ::write(fd, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_writing(path, errno);
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)),
      unfinished_(fmt::format("{}.{}{}", path_, ::getpid(), kUnfinishedSuffix)),
      fd_(::open(unfinished_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (!fd_) fail_writing(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (!unfinished_.empty()) ::unlink(unfinished_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  write_all(fd_.get(), data, bytes, path_);
  size_ += bytes;
}

void AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0) fail_writing(path_, errno);
  commit_unsynced();
  // The name is on disk when its folder is.
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  const UniqueFd folder_fd(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder_fd && ::fsync(folder_fd.get()) != 0 && errno != EINVAL) fail_writing(path_, errno);
}

void AtomicFile::commit_unsynced() {
  if (::rename(unfinished_.c_str(), path_.c_str()) != 0) fail_writing(path_, errno);
  unfinished_.clear();
}

AppendFile::AppendFile(std::string path)
    : path_(std::move(path)),
      fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (!fd_) fail_writing(path_, errno);
}

void AppendFile::append_line(std::string_view line) {
  std::string text(line);
  text += '\n';
  const off_t before = ::lseek(fd_.get(), 0, SEEK_END);
  try {
    write_all(fd_.get(), text.data(), text.size(), path_);
  } catch (...) {
    const bool restored = before >= 0 && ::ftruncate(fd_.get(), before) == 0;
    static_cast<void>(restored);  // a half line is passed over by whoever reads lines
    throw;
  }
}

void AppendFile::truncate(std::size_t bytes) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) fail_writing(path_, errno);
}

bool AppendFile::try_lock() {
  int result = 0;
  do {
    result = ::flock(fd_.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno != EWOULDBLOCK;
}

bool AppendFile::in_place() const noexcept {
  struct stat named {};
  struct stat open {};
  return ::stat(path_.c_str(), &named) == 0 && ::fstat(fd_.get(), &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

std::string read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) throw IoError(fmt::format("cannot read {}", path), errno);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw IoError(fmt::format("cannot read {}", path), errno);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

void sync_path(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || (::fsync(fd.get()) != 0 && errno != EINVAL)) fail_writing(path, errno);
}

}  // namespace mutirao::core
