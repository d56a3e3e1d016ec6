#pragma once

// Asks the zygote for workers and hears how they end; one per process, with one thread.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include <sys/types.h>
#include <unistd.h>

#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/zygote.hpp"

namespace mutirao::exec::internal {

/// How a worker ended.
struct WorkerEnd {
  int signal = 0;
  int exit_code = 0;
  std::int64_t peak_rss_kib = 0;
  std::string stderr_tail;
};

/// Who asked for a worker. Called on the spawner's thread.
class SpawnListener {
 public:
  virtual ~SpawnListener() = default;
  virtual void on_started(std::uint64_t token, pid_t process, core::UniqueFd pidfd) = 0;
  virtual void on_failed(std::uint64_t token, int error) = 0;
  virtual void on_ended(std::uint64_t token, const WorkerEnd& end) = 0;
};

class Spawner {
 public:
  struct Descriptors {
    int channel;
    int bell;
    int socket;
  };

  /// From now on this program asks that zygote, which it started and buries. Should it die,
  /// another is executed at the next spawn().
  static void use(StartedZygote zygote);
  /// The same in a worker, whose program's zygote it is.
  static void use(core::LocalSocket zygote);
  static bool exists() noexcept;
  /// Throws core::Unsupported when use() was never called in this process.
  static Spawner& current();
  /// Ends the thread and closes the socket, which ends the zygote or the workers asked for here.
  static void shut_down();

  /// Asks for a worker under a new token, which has so long to arrive if it is executed (0: any
  /// time). Everything that becomes of it, also the zygote's refusal,
  /// arrives at the listener, if that still exists. Throws IoError when it cannot even be asked
  /// for.
  void spawn(std::uint64_t token, const Descriptors& descriptors,
             CoreWords::Participant participant, std::chrono::nanoseconds arrive_within,
             std::weak_ptr<SpawnListener> listener);
  /// Returns when no listener is being told anything that happened before the call.
  void finish_telling() { const std::lock_guard lock(telling_); }
  std::uint64_t new_token() noexcept { return next_token_.fetch_add(1) + 1; }

  explicit Spawner(StartedZygote zygote);
  ~Spawner();

 private:
  struct Entry {
    std::weak_ptr<SpawnListener> listener;
    core::UniqueFd stderr_pipe;
    std::string stderr_tail;
  };

  void run();
  void read_events();
  void read_stderr(Entry& entry);
  void zygote_is_gone();
  /// Waits for the end of the zygote that this program started.
  void bury_zygote() noexcept;
  void replace_zygote();
  void watch(int fd, std::uint64_t data);

  core::LocalSocket zygote_;
  pid_t zygote_process_;  // 0: in a worker, or buried
  const bool may_replace_;
  const pid_t owner_ = ::getpid();
  core::UniqueFd epoll_;
  core::UniqueFd wake_;
  std::atomic<std::uint64_t> next_token_{kFirstToken};

  std::mutex telling_;  // held while a listener is referred to and told; taken before mutex_
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // by token
  bool gone_ = false;                                 // the zygote is

  std::thread thread_;

  // What epoll says became readable: one of these two, or the stderr of a worker by its token.
  static constexpr std::uint64_t kZygote = 0;
  static constexpr std::uint64_t kWake = 1;
  static constexpr std::uint64_t kFirstToken = 1;
};

}  // namespace mutirao::exec::internal
