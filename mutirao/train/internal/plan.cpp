#include "mutirao/train/internal/plan.hpp"

#include <algorithm>
#include <set>

namespace mutirao::train::internal {

void Plan::add(const std::vector<Unit>& units) {
  double work = 0.0;
  for (const Unit& unit : units) work += unit.work;
  const auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& other) {
    return options_.shortest_first ? work < other.candidate_work : work > other.candidate_work;
  });
  for (const Unit& unit : units) waiting_.insert(place, Waiting{unit, work});
}

bool Plan::waits_for_draws(const Unit& unit) const noexcept {
  if (unit.draw) return false;
  const auto is_draw = [&](const Unit& other) {
    return other.draw && other.candidate == unit.candidate && other.fold == unit.fold;
  };
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Waiting& each) { return is_draw(each.unit); }) ||
         std::any_of(running_.begin(), running_.end(), is_draw);
}

bool Plan::may_begin(const Unit& unit) const noexcept {
  if (waits_for_draws(unit)) return false;
  if (running_.empty()) return true;
  std::uint64_t memory = unit.memory_bytes;
  for (const Unit& other : running_) {
    if (options_.one_unit_per_candidate && other.candidate == unit.candidate) return false;
    memory += other.memory_bytes;
  }
  return options_.memory_bytes == 0 || memory <= options_.memory_bytes;
}

std::optional<Unit> Plan::begin_next() {
  if (running_.size() >= options_.cores) return std::nullopt;
  const auto next = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const Waiting& each) { return may_begin(each.unit); });
  if (next == waiting_.end()) return std::nullopt;
  running_.push_back(next->unit);
  waiting_.erase(next);
  return running_.back();
}

void Plan::end(const Unit& unit) {
  const auto found = std::find(running_.begin(), running_.end(), unit);
  if (found != running_.end()) running_.erase(found);
}

void Plan::drop(std::size_t candidate) {
  std::erase_if(waiting_, [&](const Waiting& each) { return each.unit.candidate == candidate; });
}

bool Plan::has(std::size_t candidate) const noexcept {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Waiting& each) { return each.unit.candidate == candidate; }) ||
         std::any_of(running_.begin(), running_.end(),
                     [&](const Unit& each) { return each.candidate == candidate; });
}

std::size_t Plan::side_by_side(const Unit& unit) const {
  std::uint64_t most = options_.cores;
  if (options_.memory_bytes != 0 && unit.memory_bytes != 0)
    most = std::min(most, options_.memory_bytes / unit.memory_bytes);
  if (options_.one_unit_per_candidate) {
    std::set<std::size_t> candidates = {unit.candidate};
    for (const Waiting& each : waiting_) candidates.insert(each.unit.candidate);
    for (const Unit& each : running_) candidates.insert(each.candidate);
    most = std::min<std::uint64_t>(most, candidates.size());
  }
  return std::max<std::size_t>(1, most);
}

double Plan::work_left() const noexcept {
  double work = 0.0;
  for (const Waiting& each : waiting_) work += each.unit.work;
  for (const Unit& unit : running_) work += unit.work;
  return work;
}

}  // namespace mutirao::train::internal
