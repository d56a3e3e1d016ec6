#include "mutirao/core/process.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {

UniqueFd open_pidfd(pid_t process) {
  const long fd = ::syscall(SYS_pidfd_open, process, 0);
  if (fd < 0) throw IoError("cannot watch a process", errno, "Linux 5.3 or later is needed");
  return UniqueFd(static_cast<int>(fd));
}

bool send_signal(const UniqueFd& pidfd, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

void close_all_except(std::span<const int> kept) noexcept {
  int fds[16];
  const std::size_t count = std::min(kept.size(), std::size(fds));
  std::copy_n(kept.begin(), count, fds);
  std::sort(fds, fds + count);
  unsigned first = 3;
  for (std::size_t i = 0; i <= count; ++i) {
    const unsigned next = i < count ? static_cast<unsigned>(fds[i]) : ~0U;
    if (next < first) continue;
    if (next > first) ::syscall(SYS_close_range, first, i < count ? next - 1 : ~0U, 0);
    first = next + 1;
  }
}

bool is_stopped(pid_t process) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(process));
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  char text[256] = {};
  if (!fd || ::read(fd.get(), text, sizeof text - 1) <= 0) return false;
  // The name of the program, in brackets, may hold anything.
  const char* end = std::strrchr(text, ')');
  return end != nullptr && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> found;
  std::error_code error;
  // Each thread has children of its own.
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child; file >> child;) found.push_back(child);
  }
  return found;
}

std::size_t thread_count() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  if (error)
    throw IoError("cannot count the threads of this process", error.value(), "is /proc mounted?");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

std::uint64_t peak_resident_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

double cpu_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0.0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw IoError("cannot read the limit on open files", errno);
  return limit.rlim_cur;
}

void raise_file_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint32_t fork_count() noexcept {
  static std::atomic<std::uint32_t> count{0};
  static const bool counted = ::pthread_atfork(nullptr, nullptr, [] {
                                count.fetch_add(1, std::memory_order_relaxed);
                              }) == 0;
  static_cast<void>(counted);
  return count.load(std::memory_order_relaxed);
}

void reset_signals() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace mutirao::core
