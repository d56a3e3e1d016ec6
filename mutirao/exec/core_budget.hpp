#pragma once

// One job server for the cores of a program and of all its worker processes.
//
// Purpose: many models at once, each with as many threads as there are free cores, never more in
// all. Each core has one owner word in memory that all processes of the program share. A task in a
// worker process holds one core from start to end; for_each takes further ones while they are free
// and gives them back, between units, when a task waits for one. Requires: nothing; without a
// Runtime the budget covers this process alone. Guarantees: a process that dies loses its cores to
// the others. Thread safety: any thread. Ordering: what a unit wrote is visible when for_each
// returns. Failure: what a unit throws. Lifetime: as the program.
//
//   CoreBudget::current().for_each(n_trees, [&](std::size_t tree, std::size_t lane) {
//     trees[tree] = grow(tree, scratch[lane]);
//   });

#include <cstddef>
#include <functional>
#include <memory>

namespace mutirao::exec {

class CoreBudget {
 public:
  using Unit = std::function<void(std::size_t unit, std::size_t lane)>;

  /// The program's budget; in a worker, that of the program that started it.
  static CoreBudget& current();

  /// How many cores the program may use; at least 1.
  std::size_t cores() const noexcept;
  /// The user's word. Requires: at least 1, before executors are made. Throws InvalidArgument for 0
  /// or more than 1024.
  void limit(std::size_t cores);

  /// Runs fn(unit, lane) once for each unit in [0, units), on the calling thread and on one further
  /// thread per core that is free, at most `max_cores` in all (0: no limit but the budget's). Units
  /// start in increasing order. lane < max(1, cores()) is the index of the executing thread, for
  /// scratch memory; lane 0 is the caller. Once a unit has thrown, none is begun; the exception of
  /// the lowest unit is rethrown when those that run have ended. May be nested.
  void for_each(std::size_t units, Unit fn, std::size_t max_cores = 0);

  CoreBudget(const CoreBudget&) = delete;
  CoreBudget& operator=(const CoreBudget&) = delete;

 private:
  friend struct CoreBudgetAccess;
  class State;
  CoreBudget();
  ~CoreBudget();
  std::unique_ptr<State> state_;
};

/// How many cores this process may use: the least of the affinity mask, the cgroup's quota (v1 and
/// v2) and SLURM_CPUS_PER_TASK; at least 1.
std::size_t available_cores();

}  // namespace mutirao::exec
