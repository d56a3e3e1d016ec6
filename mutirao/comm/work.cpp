#include "mutirao/comm/work.hpp"

#include <utility>

#include "mutirao/comm/internal/group.hpp"

namespace mutirao::comm {

Work::Work(std::shared_ptr<internal::Pending> pending) noexcept : pending_(std::move(pending)) {}

Work& Work::operator=(Work&& other) noexcept {
  if (this != &other) {
    if (pending_) pending_->give_up();
    pending_ = std::move(other.pending_);
  }
  return *this;
}

Work::~Work() {
  if (pending_) pending_->give_up();
}

void Work::wait() {
  if (!pending_) return;
  pending_->wait();
  pending_.reset();
}

bool Work::done() {
  if (pending_ && pending_->done()) pending_.reset();
  return !pending_;
}

}  // namespace mutirao::comm
