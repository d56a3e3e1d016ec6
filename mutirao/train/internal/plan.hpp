#pragma once

// Which fit of a run begins next.
//
// A run is made of units of work: each fold of each candidate, and each candidate's final fit; of a
// candidate whose parameters are searched, before each of them its draws. They
// are handed out one after the other, candidate by candidate, the longest candidate first, so that
// what is left at the end is short and the cores end together; fits that can use more than one core
// take those that nobody else wants. Under a time limit the shortest candidate comes first, so that
// as many as possible are done.

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

namespace mutirao::train::internal {

/// One fit: a fold of a candidate, or its final fit; or a draw of its parameters, for one of them.
struct Unit {
  std::size_t candidate = 0;
  std::uint32_t fold = 0;          // from 0; as many as there are folds: the final fit
  double work = 0.0;               // as models::EstimatorInfo::work counts it
  std::uint64_t memory_bytes = 0;  // what it is expected to take
  std::optional<std::uint32_t> draw = std::nullopt;

  bool operator==(const Unit&) const = default;
};

struct PlanOptions {
  std::size_t cores = 1;           // so many units at a time
  std::uint64_t memory_bytes = 0;  // those that run together fit into it; 0: whatever they take
  bool one_unit_per_candidate = false;  // at a time
  bool shortest_first = false;
};

class Plan {
 public:
  explicit Plan(PlanOptions options) : options_(options) {}

  /// The units of one candidate, in the order in which they are to begin.
  void add(const std::vector<Unit>& units);
  /// A unit that may begin now; it counts as running until end(). A unit that does not fit into
  /// memory begins when nothing else runs.
  std::optional<Unit> begin_next();
  void end(const Unit& unit);
  /// Takes out what has not begun of the candidate.
  void drop(std::size_t candidate);
  /// Takes out all that has not begun.
  void drop_all() { waiting_.clear(); }

  /// Whether anything of the candidate has not ended.
  bool has(std::size_t candidate) const noexcept;
  bool empty() const noexcept { return waiting_.empty() && running_.empty(); }
  /// Of what has not ended.
  double work_left() const noexcept;
  /// How many units like this one may run at a time, this one among them.
  std::size_t side_by_side(const Unit& unit) const;

 private:
  bool may_begin(const Unit& unit) const noexcept;
  /// Whether a draw that the unit has to choose from has not ended.
  bool waits_for_draws(const Unit& unit) const noexcept;

  const PlanOptions options_;
  struct Waiting {
    Unit unit;
    double candidate_work;  // of all units that were added with it
  };
  std::list<Waiting> waiting_;
  std::vector<Unit> running_;
};

}  // namespace mutirao::train::internal
