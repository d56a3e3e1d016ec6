#include "mutirao/exec/internal/finish_queue.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "mutirao/exec/internal/blocked_section.hpp"

namespace mutirao::exec::internal {

struct FinishQueue::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::size_t> ended;
};

FinishQueue::FinishQueue() : shared_(std::make_shared<Shared>()) {}

FinishQueue::~FinishQueue() = default;

void FinishQueue::add(const TaskRef& task) {
  if (!task) throw_empty_future();
  task->when_done([shared = shared_, index = added_] {
    const std::lock_guard lock(shared->mutex);
    shared->ended.push_back(index);
    shared->changed.notify_one();
  });
  ++added_;
}

std::optional<std::size_t> FinishQueue::next(std::optional<TimePoint> deadline) {
  if (told_ == added_) return std::nullopt;
  std::unique_lock lock(shared_->mutex);
  const auto some = [this] { return !shared_->ended.empty(); };
  if (!some()) {
    lock.unlock();
    const BlockedSection blocked;
    lock.lock();
    if (!deadline) {
      shared_->changed.wait(lock, some);
    } else if (!shared_->changed.wait_until(lock, *deadline, some)) {
      return std::nullopt;
    }
    // Going on may mean waiting for a core, without the lock.
    lock.unlock();
  }
  if (!lock.owns_lock()) lock.lock();
  const std::size_t index = shared_->ended.front();
  shared_->ended.pop_front();
  ++told_;
  return index;
}

}  // namespace mutirao::exec::internal
