#include "mutirao/train/internal/disk_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <pthread.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/core/signals_blocked.hpp"

namespace mutirao::train::internal {

DiskQueue::~DiskQueue() {
  try {
    wait();
  } catch (...) {
    // Whoever wanted to know has waited.
  }
}

void DiskQueue::put(std::string path) {
  std::unique_lock lock(mutex_);
  throw_failure();
  if (!thread_.joinable()) {
    const core::SignalsBlocked blocked;
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  if (std::find(waiting_.begin(), waiting_.end(), path) != waiting_.end()) return;
  waiting_.push_back(std::move(path));
  something_to_do_.notify_one();
}

void DiskQueue::wait() {
  std::unique_lock lock(mutex_);
  nothing_to_do_.wait(lock, [this] { return waiting_.empty() && !at_work_; });
  throw_failure();
}

void DiskQueue::throw_failure() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void DiskQueue::work(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "mutirao-disk");
  std::unique_lock lock(mutex_);
  while (something_to_do_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    const std::string path = std::move(waiting_.front());
    waiting_.pop_front();
    at_work_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      core::sync_path(path);
    } catch (const core::IoError& error) {
      if (error.error_number() != ENOENT) failure = std::current_exception();
    }
    lock.lock();
    at_work_ = false;
    if (failure && !failure_) failure_ = failure;
    if (waiting_.empty()) nothing_to_do_.notify_all();
  }
}

}  // namespace mutirao::train::internal
