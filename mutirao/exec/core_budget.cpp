#include "mutirao/exec/core_budget.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <limits>
#include <list>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/held_core.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec {
namespace {

using internal::core_words;
using internal::CoreWords;
using internal::this_participant;

/// Threads that outlast the loops they work for: starting one costs more than many a unit of work.
/// They are never joined; at the end of the program they sleep.
class SpareThreads {
 public:
  /// Runs `body` on a thread; false when the system gives none.
  bool run(std::function<void()> body) {
    std::unique_lock lock(mutex_);
    if (idle_ == 0) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return false;
      }
    } else {
      --idle_;
    }
    bodies_.push_back(std::move(body));
    lock.unlock();
    wanted_.notify_one();
    return true;
  }

 private:
  [[noreturn]] void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wanted_.wait(lock, [this] { return !bodies_.empty(); });
      std::function<void()> body = std::move(bodies_.front());
      bodies_.pop_front();
      lock.unlock();
      body();
      body = nullptr;
      lock.lock();
      ++idle_;
    }
  }

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::list<std::function<void()>> bodies_;  // as many as threads were promised to
  std::size_t idle_ = 0;
};

/// One for_each under way.
class Loop {
 public:
  Loop(std::size_t units, CoreBudget::Unit fn, std::size_t most_lanes)
      : units_(units), most_lanes_(most_lanes), fn_(std::move(fn)), lanes_(most_lanes) {
    lanes_[0] = true;
  }

  /// Runs units until none is left; `stay` is asked before each.
  template <class Stay>
  void work(std::size_t lane, Stay stay) {
    while (stay()) {
      const std::size_t unit = next_.fetch_add(1, std::memory_order_relaxed);
      if (unit >= units_) return;
      try {
        fn_(unit, lane);
      } catch (...) {
        next_.store(units_, std::memory_order_relaxed);
        const std::lock_guard lock(mutex_);
        if (unit < failed_unit_) {
          failed_unit_ = unit;
          error_ = std::current_exception();
        }
      }
    }
  }

  bool units_left() const noexcept { return next_.load(std::memory_order_relaxed) < units_; }

  /// A lane for one more thread, if the loop has work for it.
  std::optional<std::size_t> open_lane() {
    const std::lock_guard lock(mutex_);
    if (!units_left() || closed_) return std::nullopt;
    const auto free = std::find(lanes_.begin(), lanes_.end(), false);
    if (free == lanes_.end()) return std::nullopt;
    *free = true;
    ++helpers_;
    return static_cast<std::size_t>(free - lanes_.begin());
  }
  void close_lane(std::size_t lane) {
    const std::lock_guard lock(mutex_);
    lanes_[lane] = false;
    if (--helpers_ == 0) helpers_gone_.notify_all();
  }
  bool wants_more() {
    const std::lock_guard lock(mutex_);
    return units_left() && !closed_ && helpers_ + 1 < most_lanes_;
  }

  /// Waits until only the caller is left, then rethrows.
  void join() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    if (helpers_ != 0) {
      const internal::CoreLoan loan;
      helpers_gone_.wait(lock, [this] { return helpers_ == 0; });
      lock.unlock();
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::size_t units_;
  const std::size_t most_lanes_;
  const CoreBudget::Unit fn_;
  std::atomic<std::size_t> next_{0};

  std::mutex mutex_;
  std::condition_variable helpers_gone_;
  std::vector<bool> lanes_;  // true: taken
  std::size_t helpers_ = 0;
  bool closed_ = false;
  std::size_t failed_unit_ = std::numeric_limits<std::size_t>::max();
  std::exception_ptr error_;
};

}  // namespace

/// What the loops of this process share.
class CoreBudget::State {
 public:
  /// Puts threads to work on the loop: one per core that is free now, and later one for each that
  /// comes free anywhere, until forget().
  void offer(const std::shared_ptr<Loop>& loop) {
    grow(loop);
    if (!loop->wants_more()) return;
    const std::lock_guard lock(mutex_);
    hungry_.push_back(loop);
    wake_scout();
  }
  void forget(const std::shared_ptr<Loop>& loop) {
    const std::lock_guard lock(mutex_);
    hungry_.remove(loop);
  }
  void grow(const std::shared_ptr<Loop>& loop) {
    while (loop->wants_more()) {
      const auto reserved = internal::take_reserved_core();
      if (!reserved) break;
      if (!start_lane(loop, *reserved, true)) return;
    }
    while (loop->wants_more() && !core_words().task_waits()) {
      const auto core = core_words().try_take(this_participant());
      if (!core || !start_lane(loop, *core)) return;
    }
  }

 private:
  /// Takes over the core, also when it cannot use it.
  bool start_lane(const std::shared_ptr<Loop>& loop, std::size_t core, bool reserved = false) {
    const auto let_go = [reserved](std::size_t released) {
      if (reserved) {
        internal::put_back_reserved(released);
      } else {
        core_words().give_back(released);
      }
    };
    const std::optional<std::size_t> lane = loop->open_lane();
    if (!lane) {
      let_go(core);
      return false;
    }
    internal::TaskContext* const context = internal::CurrentTask::context();
    const bool started = spare_.run([this, loop, core, lane = *lane, context, reserved, let_go] {
      internal::adopt_core(core);
      {
        const internal::CurrentTask current(context);
        loop->work(lane, [reserved] { return reserved || !core_words().task_waits(); });
      }
      // While a unit waited it may have lent its core and got another back.
      if (const auto held = internal::release_core()) let_go(*held);
      loop->close_lane(lane);
      if (!loop->wants_more()) return;
      const std::lock_guard lock(mutex_);
      wake_scout();
    });
    if (!started) {
      let_go(core);
      loop->close_lane(*lane);
    }
    return started;
  }

  void wake_scout() {
    if (!scout_started_) {
      scout_started_ = spare_.run([this] { scout(); });
    } else if (scout_parked_) {
      scout_wanted_.notify_one();
    }
  }

  std::shared_ptr<Loop> hungry_loop() {
    for (const auto& loop : hungry_) {
      if (loop->wants_more()) return loop;
    }
    return nullptr;
  }

  /// One thread per process that sleeps until a core comes free and hands it to a loop that wants
  /// one.
  [[noreturn]] void scout() {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        scout_parked_ = true;
        scout_wanted_.wait(lock, [this] { return hungry_loop() != nullptr; });
        scout_parked_ = false;
      }
      const auto core = core_words().take(this_participant(), CoreWords::Need::kSpare, [this] {
        const std::lock_guard lock(mutex_);
        return hungry_loop() == nullptr;
      });
      if (!core) continue;
      std::shared_ptr<Loop> loop;
      {
        const std::lock_guard lock(mutex_);
        loop = hungry_loop();
      }
      if (loop) {
        start_lane(loop, *core);
      } else {
        core_words().give_back(*core);
      }
    }
  }

  SpareThreads spare_;
  std::mutex mutex_;
  std::condition_variable scout_wanted_;
  std::list<std::shared_ptr<Loop>> hungry_;
  bool scout_started_ = false;
  bool scout_parked_ = false;
};

CoreBudget::CoreBudget() : state_(std::make_unique<State>()) {}

CoreBudget::~CoreBudget() = default;

CoreBudget& CoreBudget::current() {
  // Lives as long as its threads, which are never joined.
  static CoreBudget& budget = *new CoreBudget;
  return budget;
}

std::size_t CoreBudget::cores() const noexcept { return core_words().cores(); }

void CoreBudget::limit(std::size_t cores) {
  if (cores == 0 || cores > CoreWords::kMostCores) {
    throw core::InvalidArgument("the number of cores must be between 1 and " +
                                std::to_string(CoreWords::kMostCores) + ", not " +
                                std::to_string(cores));
  }
  core_words().limit(cores);
}

void CoreBudget::for_each(std::size_t units, Unit fn, std::size_t max_cores) {
  if (units == 0) return;
  const std::size_t allowed = max_cores == 0 ? cores() : std::min(max_cores, cores());
  const auto loop = std::make_shared<Loop>(units, std::move(fn),
                                           std::max<std::size_t>(1, std::min(allowed, units)));

  // A caller outside any task works in any case, so that a program never waits for itself; until
  // it has a core it counts as a task that waits for one.
  bool waits = false;
  bool took = false;
  const auto wait_count = [&](int change) {
    waits = change > 0;
    core_words().add_wait(this_participant(), CoreWords::Need::kTask, change);
  };
  const auto take_core = [&] {
    if (internal::this_thread_holds_core()) return;
    if (const auto core = core_words().try_take(this_participant())) {
      internal::adopt_core(*core);
      took = true;
      if (waits) wait_count(-1);
    } else if (!waits) {
      wait_count(1);
    }
  };
  take_core();
  state_->offer(loop);
  loop->work(0, [&] {
    take_core();
    state_->grow(loop);
    return true;
  });
  state_->forget(loop);
  if (waits) wait_count(-1);
  if (took) internal::drop_core();
  loop->join();
}

}  // namespace mutirao::exec
