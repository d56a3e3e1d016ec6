#pragma once

// The program's view of one worker: its channel, what is under way in it, what memory it holds.

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/block_cache.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/remote_task.hpp"
#include "mutirao/exec/internal/stopped_time.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Not thread-safe: guarded by the pool's mutex, except for what channel() gives.
class WorkerProcess {
 public:
  /// A task that failed but may be tried again.
  struct Failed {
    TaskRef task;
    std::exception_ptr error;
  };
  /// What a dead worker leaves behind.
  struct Estate {
    TaskRef crashed;  ///< the task that had started, if one had
    TaskPhase phase = TaskPhase::kRunning;
    std::vector<TaskRef> not_started;
    std::vector<Failed> failed;
  };

  /// `index`: its place in the pool, written into the tasks that it gets. Throws IoError.
  WorkerProcess(std::uint32_t index, std::uint64_t token, CoreWords::Participant participant);

  const std::shared_ptr<Channel>& channel() const noexcept { return channel_; }
  std::uint64_t token() const noexcept { return token_; }
  CoreWords::Participant participant() const noexcept { return participant_; }
  /// The end of the socket that the worker gets; closed here once it was handed over.
  core::LocalSocket& worker_socket() noexcept { return worker_socket_; }
  void set_pidfd(pid_t process, core::UniqueFd pidfd) noexcept;
  /// In which its process is put once that is known; before the process is asked for.
  void set_memory_group(std::unique_ptr<core::MemoryGroup> group) noexcept {
    memory_group_ = std::move(group);
  }
  bool killed_for_memory() const { return memory_group_ && memory_group_->kills() > 0; }
  /// What the process wrote before a signal ended it; signal 0 when it wrote nothing.
  const CrashReport& crash() const noexcept { return channel_->header().crash; }
  /// 0 until the worker has begun to look for tasks.
  pid_t process() const noexcept {
    return static_cast<pid_t>(channel_->header().ready.load(std::memory_order_acquire));
  }

  std::size_t in_flight() const noexcept { return static_cast<std::size_t>(tail_ - head_); }
  /// Whether it should get a further task now.
  bool hungry() const noexcept {
    return !condemned_ && !exclusive_ && in_flight() < appetite() && !had_enough();
  }
  /// Whether its tasks are so short that a result is worth looking for without sleeping.
  bool quick() const noexcept { return ticks_per_task_ < 100 * 16; }

  /// Puts the task into the ring; false when there is no room now. Throws IoError when its memory
  /// cannot be sent at all.
  bool place(const TaskRef& task);
  /// Takes the last task back that has not started.
  TaskRef recall_last();
  bool recall(RemoteTask& task);
  /// Of the last task; the highest there is when there is none.
  int last_priority() const noexcept;
  /// Asks the task, if it is the one that runs, to end; at `deadline` it should be killed.
  void ask_to_end(RemoteTask& task, TimePoint deadline) noexcept;
  void ask_running_to_end() noexcept;
  /// A task that must not go on.
  struct Overdue {
    enum Why { kCancelled, kTimeout, kMemory };
    TaskRef task;
    Why why = kCancelled;
    std::uint64_t used_bytes = 0;
  };
  bool has_overdue(TimePoint now) const noexcept;
  /// The first task that is past its time or its memory, taken out of the ring.
  Overdue take_overdue(TimePoint now);
  /// The task that has started and is not done, taken out of the ring.
  TaskRef take_running();
  /// The program looks so late because it was stopped, or is starved, until now: what has begun
  /// before may get all its time again.
  void begin_time_again(TimePoint now, std::chrono::nanoseconds late) noexcept;
  /// The next moment at which take_overdue() may find something.
  TimePoint next_deadline(TimePoint now) const noexcept;
  /// Whether a task that wants to be alone in its worker may come now.
  bool takes_exclusive() const noexcept {
    return !condemned_ && in_flight() == 0 && !had_enough() && (!memory_group_ || pidfd_);
  }
  /// How many cores the tasks in it hold or wait for.
  std::size_t booked_cores() const noexcept;

  /// From now on it gets no more tasks, and its process is killed as soon as it is known.
  void kill() noexcept;
  /// The same with SIGTERM first and SIGKILL at that moment.
  void terminate(TimePoint kill_at) noexcept;
  /// Kills a process whose moment has come.
  void kill_if_due(TimePoint now) noexcept;
  bool condemned() const noexcept { return condemned_; }

  /// Tasks that drain() finished.
  struct Outcomes {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
  };
  Outcomes outcomes() const noexcept { return outcomes_; }
  std::size_t running() const noexcept;
  /// Tasks in the ring that are not done, as far as is known.
  std::size_t held() const noexcept;

  /// The task that makes the process ready for others: the first that it gets.
  void set_initializer(TaskRef task) noexcept { initializer_ = std::move(task); }
  const TaskRef& initializer() const noexcept { return initializer_; }
  /// After so many tasks it gets no more; 0: never.
  void set_most_tasks(std::uint64_t most) noexcept { most_tasks_ = most; }
  /// Whether it has had all its tasks and should be asked to stop.
  bool used_up() const noexcept { return had_enough() && in_flight() == 0 && !condemned_; }
  /// It ends of its own accord, and is not to be blamed.
  void retire() noexcept {
    condemned_ = true;
    ask_to_stop();
  }

  /// Finishes every task whose result has arrived; what may be tried again goes to `failed`
  /// instead. Returns how many.
  std::size_t drain(std::vector<Failed>& failed);
  /// Whether drain() would find something. Any thread may ask.
  bool something_done() const noexcept;

  /// Rings the bell once this many tasks in all are done.
  void notify_at(std::uint64_t count) noexcept {
    channel_->header().notify_at.store(count, std::memory_order_seq_cst);
  }
  /// For a sleeper with no task of its own here: half way if there is more to feed, else at the
  /// end.
  std::uint64_t feeding_point(bool more) const noexcept {
    return more ? head_ + (tail_ - head_ + 1) / 2 : tail_;
  }

  /// The count at which the first task is done whose end should be noticed at once.
  std::uint64_t first_watched() const noexcept;

  bool read_progress(const RemoteTask& task, Progress& progress) const noexcept;
  /// 0 when the worker has not begun this task.
  pid_t process_running(const RemoteTask& task) const noexcept;

  /// Whether drain() has received blocks that are now mapped.
  bool received_blocks() noexcept { return std::exchange(received_blocks_, false); }
  /// Lets go of its blocks that were not used since the last call; whether there are others.
  bool age_blocks();

  /// Tells the worker to let go of memory that nobody refers to here any more.
  void drop_released_memory();
  void ask_to_stop() noexcept;

  /// After its death, once.
  Estate settle();

 private:
  struct Sent {
    std::weak_ptr<core::SharedMemory> memory;
    std::uint64_t number;
  };
  struct InFlight {
    TaskRef task;  // empty: recalled
    std::shared_ptr<core::SharedMemory> request_file;
    std::uint64_t request_end = 0;
    TimePoint end_at = TimePoint::max();  // it was asked to end; then it is killed
    TimePoint time_counts_from{};
    StoppedTime stopped_time;
  };

  std::size_t appetite() const noexcept;
  bool had_enough() const noexcept { return most_tasks_ != 0 && placed_ >= most_tasks_; }
  /// The number under which the worker knows the memory; 0 when it cannot be sent now.
  std::uint64_t number_of(const std::shared_ptr<core::SharedMemory>& memory);
  bool send_mail(const Mail& mail, int fd);
  bool started(std::uint64_t number) const noexcept;
  TimePoint began(std::uint64_t number) const noexcept;
  TaskRef take(std::uint64_t number) noexcept;
  TimePoint deadline_of(std::uint64_t number, TimePoint now) const noexcept;
  /// Exact where it is more than `limit`.
  std::uint64_t memory_in_use(std::uint64_t limit) const noexcept;
  bool collect(const Slot& slot, RemoteTask& task);
  std::shared_ptr<core::SharedMemory> receive_memory(std::uint64_t task);
  /// One message of the worker, with the memory it carries.
  struct Received {
    Mail mail{};
    std::shared_ptr<core::SharedMemory> memory;
    std::exception_ptr error;  // why there is none
  };
  std::optional<Received> read_mail();

  const std::uint32_t index_;
  const std::uint64_t token_;
  const CoreWords::Participant participant_;
  const std::shared_ptr<Channel> channel_;
  core::LocalSocket socket_;
  core::LocalSocket worker_socket_;
  core::UniqueFd pidfd_;
  std::unique_ptr<core::MemoryGroup> memory_group_;
  bool exclusive_ = false;  // the task in it wants to be alone
  bool condemned_ = false;
  TaskRef initializer_;
  std::uint64_t most_tasks_ = 0;
  std::uint64_t placed_ = 0;  // tasks that it got and that were not taken back
  Outcomes outcomes_;
  std::size_t kept_cores_ = 0;  // of a task that was taken out of the ring while it ran
  TimePoint kill_at_ = TimePoint::max();

  std::uint64_t head_ = 0;  // tasks [head_, tail_) are in the ring
  std::uint64_t tail_ = 0;
  std::array<InFlight, Channel::kSlots> tasks_;
  RingAllocator request_arena_;
  std::uint64_t requests_released_ = 0;
  double ticks_per_task_ = 0;  // moving average, 1/16 us; 0: not known

  std::unordered_map<const core::SharedMemory*, Sent> sent_;
  std::uint64_t last_memory_number_ = 0;

  std::deque<Received> inbox_;  // read before it was asked for, because the socket was full
  MappedBlocks blocks_;
  bool received_blocks_ = false;
  // What a task was given that was taken out of the ring while it ran: its process may still read.
  std::vector<std::shared_ptr<core::SharedMemory>> kept_memory_;
};

}  // namespace mutirao::exec::internal
