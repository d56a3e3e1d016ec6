#pragma once

// What stands behind a ProcessExecutor. The picture is in process_executor.cpp.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/internal/block_cache.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/patience.hpp"
#include "mutirao/exec/internal/pending_tasks.hpp"
#include "mutirao/exec/internal/remote_task.hpp"
#include "mutirao/exec/internal/spawner.hpp"
#include "mutirao/exec/internal/task.hpp"
#include "mutirao/exec/internal/worker_process.hpp"

namespace mutirao::exec::internal {

class Pool final : public Backend, public SpawnListener, public std::enable_shared_from_this<Pool> {
 public:
  struct Options {
    std::chrono::milliseconds grace{100};
    std::string memory_group;  // the folder of a control group; empty: none
    void (*initializer)() = nullptr;
    std::chrono::nanoseconds initializer_timeout{0};
    std::chrono::nanoseconds start_timeout{0};
    std::uint64_t max_tasks_per_worker = 0;
  };
  static std::shared_ptr<Pool> start_workers(std::size_t workers, const Options& options);
  Pool(std::size_t workers, const Options& options);

  void start(const TaskRef& task) override;
  void start_all(std::span<const TaskRef> tasks) override;
  bool cancel_queued(Task& task) override;
  bool cancel(Task& task) override;
  bool wait(Task& task, std::optional<TimePoint> deadline) override;
  void poll() override;
  void detach() override;
  void watch(Task& task) override;
  void wake_waiters() override { bell_.wake_everybody(); }
  Progress progress(Task& task) override;
  pid_t worker_pid(Task& task) override;
  std::size_t cores_held(Task& task) override;
  std::size_t worker_count() const noexcept override { return worker_count_; }
  core::BlockSource* block_source() noexcept override { return &blocks_; }

  void close(Shutdown how) override;
  void shut_down(Shutdown how) override;
  void ask_running_to_stop() override;
  ExecutorStats stats() const override;
  /// Some memory that was sent is not referred to any more. Touches atomics only.
  void memory_released() noexcept;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void on_started(std::uint64_t token, pid_t process, core::UniqueFd pidfd) override;
  void on_failed(std::uint64_t token, int error) override;
  void on_ended(std::uint64_t token, const WorkerEnd& end) override;

  // All of these want the mutex held.
  void hire(std::uint32_t index);
  void accept(const TaskRef& task);
  bool place_somewhere(const TaskRef& task);
  bool try_place(WorkerProcess& worker, const TaskRef& task);
  void requeue(std::vector<TaskRef> tasks) { pending_.put_back(std::move(tasks)); }
  void check(const Task& task) const;
  bool fits(const WorkerProcess& worker, const Task& task) const noexcept;
  void place_pending();
  /// Tasks of lower priority that have not begun make room.
  void recall_below(int priority);
  /// One attempt has failed: the task is tried again, or fails.
  void attempt_failed(const TaskRef& task, RetryOn kind, const std::exception_ptr& error);
  bool anybody_works() const noexcept;
  void fail_all(const std::string& why, const std::string& hint);
  void drain_and_feed();
  void feed(std::uint32_t index);
  bool steal_for(std::uint32_t index);
  bool something_done() const noexcept;
  void arm(Bell::Armed who);
  void leave_to_server();
  bool ensure_server();
  std::vector<std::unique_ptr<WorkerProcess>>::iterator find(std::uint64_t token) noexcept;
  WorkerProcess* worker_of(const RemoteTask& task) noexcept;

  void lead(Lock& lock, RemoteTask& task, std::optional<TimePoint> deadline,
            std::optional<CoreLoan>& loan);
  void follow(Lock& lock, RemoteTask& task, std::optional<TimePoint> deadline,
              std::optional<CoreLoan>& loan);
  void look_for_a_while(Lock& lock, const RemoteTask& task);
  void serve();

  /// Takes a task back that has not begun, wherever it is.
  TaskRef take_back(Task& task);
  void finish_cancelled(const TaskRef& task, const char* message);
  void close_locked(Shutdown how);
  void initialize(WorkerProcess& worker);
  void cancel_all_queued();
  void kill_running();
  bool idle() const noexcept;
  std::exception_ptr why_it_ended(const WorkerProcess& dead, const WorkerProcess::Estate& estate,
                                  const WorkerEnd& end, RetryOn& kind);
  /// Ends a task that must not go on, with its process.
  void give_up_on(WorkerProcess& worker, const WorkerProcess::Overdue& late);
  /// Sees to it that keep_time() is called at that moment.
  void wake_at(TimePoint time);
  /// Does what is due; the server calls it.
  void keep_time();
  /// Some time after blocks were used, those that were not used again are let go of.
  void keep_blocks_for_a_while();
  void age_blocks(TimePoint now);

  /// In the list of those who hear of memory that was let go of.
  void enlist();
  void leave_list();

  const std::size_t worker_count_;
  const Options options_;
  const pid_t owner_;
  const core::UniqueFd bell_file_;
  const core::Mapping bell_mapping_;
  Bell& bell_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::unique_ptr<WorkerProcess>> workers_;  // null: could not be started
  std::vector<std::uint64_t> last_active_;               // by worker; larger is later
  std::uint64_t activity_ = 0;
  PendingTasks pending_;
  std::vector<std::pair<TimePoint, TaskRef>> delayed_;  // wait for their next attempt
  std::vector<WorkerProcess::Failed> failed_;
  bool priorities_differ_ = false;
  bool some_are_watched_ = false;
  bool takes_no_retries_ = false;
  std::uint64_t memory_kills_ = 0;    // of the kernel, as far as they are accounted for
  std::vector<RemoteTask*> waiting_;  // what threads sleep for; the leader's is among them
  std::deque<Task*> followers_;
  bool led_ = false;
  Patience patience_;  // of who leads
  bool closed_ = false;
  bool server_stops_ = false;
  bool server_joined_ = false;
  TimePoint wake_at_ = TimePoint::max();        // when the server must look at the time
  TimePoint age_blocks_at_ = TimePoint::max();  // when blocks not used lately are let go of
  int deaths_without_work_ = 0;
  std::exception_ptr initializer_error_;  // of the last worker whose initializer failed
  ExecutorStats counted_;                 // without what living workers count
  std::thread server_;
  std::condition_variable quieter_;  // a worker ended, or the last task of a closed pool

  BlockCache blocks_;
  std::atomic<bool> memory_released_{false};
};

}  // namespace mutirao::exec::internal
