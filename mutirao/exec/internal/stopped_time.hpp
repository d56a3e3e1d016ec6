#pragma once

#include <algorithm>
#include <chrono>

namespace mutirao::exec::internal {

/// Who was to wake at a moment and wakes so much later was stopped, and all of the program with it,
/// or is starved.
inline constexpr std::chrono::nanoseconds kStoppedFor = std::chrono::milliseconds(200);
/// So late wakes only who was stopped.
inline constexpr std::chrono::nanoseconds kSurelyStopped = std::chrono::minutes(1);

/// What being late means for the deadline of one attempt. It begins anew: what it is for had no
/// time either. But on an overloaded machine every look may come late, and a task that hangs must
/// be killed all the same: so each further time wants twice the lateness, up to that which only a
/// stop explains.
class StoppedTime {
 public:
  /// Whether a look that comes so late gives it all its time again.
  bool begins_anew(std::chrono::nanoseconds late) noexcept {
    if (late <= wanted_) return false;
    wanted_ = std::min(2 * wanted_, kSurelyStopped);
    return true;
  }

 private:
  std::chrono::nanoseconds wanted_ = kStoppedFor;
};

}  // namespace mutirao::exec::internal
