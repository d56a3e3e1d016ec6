#pragma once

// Runs the units of a plan, each in a process of its own, as many at a time as there are cores.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>

#include <sys/types.h>

#include "mutirao/exec/future.hpp"
#include "mutirao/exec/progress.hpp"
#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/internal/plan.hpp"

namespace mutirao::train::internal {

/// How often a run looks at what its processes do.
inline constexpr std::chrono::milliseconds kLookEvery{100};

/// What a unit under way is doing.
struct UnitProgress {
  pid_t process = 0;       // 0: it has not begun yet
  std::uint64_t done = 0;  // units (trees) of the fit
  std::uint64_t total = 0;
  std::size_t cores = 0;  // that it holds

  bool operator==(const UnitProgress&) const = default;
};

/// Whom a scheduler asks and tells; all from the thread that called run(). What is thrown ends
/// run().
class UnitListener {
 public:
  enum class Stop {
    kNot,
    kSoon,  // nothing more begins; what runs is asked to end, and killed if it does not
    kNow    // what runs is killed
  };

  virtual ~UnitListener() = default;
  /// Hands the unit to an executor.
  virtual exec::Future<FitResult> start(const Unit& unit) = 0;
  virtual void on_started(const Unit& unit, pid_t process) = 0;
  /// When something has changed since it was last looked at.
  virtual void on_progress(const Unit& unit, const UnitProgress& progress) = 0;
  virtual void on_done(const Unit& unit, const FitResult& result) = 0;
  virtual void on_failed(const Unit& unit, std::exception_ptr failure) = 0;
  /// Its process is gone, or has let go of it: also of a unit that was given up, and after
  /// on_done() and on_failed().
  virtual void on_ended(const Unit& unit) = 0;
  /// Ten times a second.
  virtual void on_look() = 0;
  virtual Stop stop() = 0;
};

class Scheduler {
 public:
  Scheduler(Plan& plan, UnitListener& listener) : plan_(plan), listener_(listener) {}

  /// Returns when all units of the plan have ended, or when what ran had ended after a stop; after
  /// kNow at once: the executor that runs the units has to be shut down.
  void run();
  /// For listeners: what has not begun of the candidate never will, and what runs of it is killed
  /// and not told of.
  void give_up(std::size_t candidate);

 private:
  struct Running {
    Unit unit;
    exec::Future<FitResult> future;
    UnitProgress progress;
    bool given_up = false;
    bool asked_to_end = false;
  };

  void start_units();
  void look_at(Running& unit);
  void finish(Running& unit);

  Plan& plan_;
  UnitListener& listener_;
  std::list<Running> running_;
};

}  // namespace mutirao::train::internal
