#include "mutirao/train/internal/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <ranges>
#include <utility>

#include "mutirao/exec/wait.hpp"

namespace mutirao::train::internal {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookForStartEvery = 20ms;

}  // namespace

void Scheduler::run() {
  auto looked = std::chrono::steady_clock::now() - kLookEvery;
  for (;;) {
    const UnitListener::Stop stop = listener_.stop();
    if (stop == UnitListener::Stop::kNow) return;
    if (stop == UnitListener::Stop::kNot) {
      start_units();
    } else {
      plan_.drop_all();
      for (Running& each : running_) {
        if (!std::exchange(each.asked_to_end, true)) each.future.cancel();
      }
    }
    if (running_.empty()) return;
    const bool all_began = std::all_of(running_.begin(), running_.end(), [](const Running& each) {
      return each.progress.process != 0;
    });
    exec::wait_any_for(
        std::views::transform(
            running_,
            [](const Running& each) -> const exec::Future<FitResult>& { return each.future; }),
        all_began ? kLookEvery : kLookForStartEvery);
    for (auto each = running_.begin(); each != running_.end();) {
      const bool ready = each->future.ready();
      look_at(*each);
      if (ready) {
        // Off the list first: the listener may give up what is on it.
        Running ended = std::move(*each);
        each = running_.erase(each);
        finish(ended);
      } else {
        ++each;
      }
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - looked >= kLookEvery) {
      looked = now;
      listener_.on_look();
    }
  }
}

void Scheduler::start_units() {
  while (const std::optional<Unit> unit = plan_.begin_next())
    running_.push_back({.unit = *unit, .future = listener_.start(*unit), .progress = {}});
}

void Scheduler::look_at(Running& running) {
  if (running.given_up) return;
  const exec::Progress reported = running.future.progress();
  const pid_t process = running.future.worker_pid();
  if (process != 0 && running.progress.process == 0) listener_.on_started(running.unit, process);
  const UnitProgress progress{.process = process != 0 ? process : running.progress.process,
                              .done = reported.done,
                              .total = reported.total,
                              .cores = running.future.cores_held()};
  if (std::exchange(running.progress, progress) != progress && process != 0)
    listener_.on_progress(running.unit, progress);
}

void Scheduler::finish(Running& running) {
  plan_.end(running.unit);
  std::optional<FitResult> result;
  std::exception_ptr failure;
  try {
    result = running.future.get();
  } catch (...) {
    failure = std::current_exception();
  }
  // The core that came free first: what is told of one fit takes no time from the next, unless
  // that is chosen by what is told.
  if (result && !running.unit.draw && listener_.stop() == UnitListener::Stop::kNot) start_units();
  if (result && !running.given_up) listener_.on_done(running.unit, *result);
  if (failure && !running.given_up) listener_.on_failed(running.unit, failure);
  listener_.on_ended(running.unit);
}

void Scheduler::give_up(std::size_t candidate) {
  plan_.drop(candidate);
  for (Running& each : running_) {
    if (each.unit.candidate != candidate) continue;
    each.given_up = true;
    if (!std::exchange(each.asked_to_end, true)) each.future.cancel();
  }
}

}  // namespace mutirao::train::internal
