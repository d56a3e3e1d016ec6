// What a group does when its ranks are on several boxes: see Note [Between boxes].

#include <exception>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "mutirao/comm/internal/host_group.hpp"
#include "mutirao/comm/internal/host_wait.hpp"

namespace mutirao::comm::internal {

/// A message to or from a rank of another box.
class LinkMessageWork : public Pending {
 public:
  LinkMessageWork(std::shared_ptr<HostGroup> group, std::shared_ptr<LinkMessage> message)
      : group_(std::move(group)), message_(std::move(message)) {}

  void wait() override {
    group_->wait_until([this] { return advance(); }, [] { return true; },
                       [this](auto since) { check(since); });
  }
  bool done() override {
    {
      const std::lock_guard lock(group_->mutex_);
      if (advance()) return true;
    }
    if (!since_) since_ = HostGroup::Clock::now();
    check(*since_);
    return false;
  }
  void give_up() noexcept override {
    const std::lock_guard lock(group_->mutex_);
    message_->to = nullptr;
  }

 private:
  bool advance() {
    if (!message_->done) group_->link_messages_->advance();
    group_->help_others();
    return message_->done;
  }
  void check(HostGroup::Clock::time_point since) {
    group_->board_.throw_if_failed();
    const auto now = HostGroup::Clock::now();
    // The box of that rank knows more, and is heard soon.
    constexpr std::chrono::seconds kForItsBox{1};
    if (!lost_since_ && group_->link_->is_lost(message_->peer)) lost_since_ = now;
    if (lost_since_ && now - *lost_since_ > kForItsBox) {
      group_->board_.fail(
          {core::ErrorCode::kRankFailed, message_->peer,
           fmt::format("rank {}, of another box, is gone, and a message of {} with it",
                       message_->peer, comm::name_of(message_->type)),
           "look at what that rank wrote last"});
      group_->board_.throw_if_failed();
    }
    if (now - since < group_->options_.collective_timeout) return;
    group_->board_.fail(
        {core::ErrorCode::kCollectiveTimeout, message_->peer,
         fmt::format("rank {}, of another box, has not taken or sent a message of {} within {}",
                     message_->peer, comm::name_of(message_->type),
                     seconds_text(group_->options_.collective_timeout)),
         "every send needs its recv"});
    group_->board_.throw_if_failed();
  }

  const std::shared_ptr<HostGroup> group_;
  const std::shared_ptr<LinkMessage> message_;
  std::optional<HostGroup::Clock::time_point> since_;
  std::optional<HostGroup::Clock::time_point> lost_since_;
};

std::shared_ptr<Pending> HostGroup::work_on(std::shared_ptr<LinkMessage> message) {
  return std::make_shared<LinkMessageWork>(shared_from_this(), std::move(message));
}

Exchange::Place HostGroup::exchange_place() const {
  Exchange::Place place;
  place.link = link_.get();
  place.world_size = options_.size;
  while (link_->boxes()[place.box].front() != box_.members.front()) ++place.box;
  return place;
}

void HostGroup::advance_exchanges() {
  // All that have begun go on; one whose box is not complete has not, nor have those behind it.
  for (const auto& exchange : exchanges_) {
    if (!ring_.is_ready(exchange->collective())) break;
    if (exchange->advance()) ring_.complete(exchange->collective());
  }
  std::erase_if(exchanges_, [this](const auto& each) { return ring_.is_done(each->collective()); });
  polls_ = !exchanges_.empty() || !link_messages_->idle();
  awaits_link_ =
      exchanges_.empty() ? polls_.load() : ring_.is_ready(exchanges_.front()->collective());
}

void HostGroup::check_boxes(const Collective& collective, Clock::duration waited) {
  // The box of a rank that is missing says which, and should have been heard by then.
  constexpr std::chrono::seconds kForTheOthers{1};
  std::vector<int> absent;
  if (leads()) {
    const std::lock_guard lock(mutex_);
    for (const auto& exchange : exchanges_) {
      if (exchange->collective().sequence == collective.sequence) absent = exchange->absent();
    }
  }
  const std::string what =
      fmt::format("collective {}, {}", collective.sequence, describe(collective.header));
  if (letters_ && letters_->left_among(absent) >= 0) {
    const int rank = letters_->left_among(absent);
    board_.fail(
        {core::ErrorCode::kRankFailed, rank,
         fmt::format("rank {}, the first of another box, left the group before {}", rank, what),
         "every rank must come to every collective"});
  } else if (waited > options_.collective_timeout + (leads() ? 1 : 2) * kForTheOthers) {
    const int rank = absent.empty() ? -1 : absent.front();
    const std::string time = seconds_text(options_.collective_timeout);
    board_.fail({core::ErrorCode::kCollectiveTimeout, rank,
                 absent.empty() ? fmt::format("{} did not end within {}", what, time)
                                : fmt::format("rank {}, the first of another box, has not come to "
                                              "{} within {}",
                                              rank, what, time),
                 "look what that box does instead, or give collective_timeout more time"});
  }
  board_.throw_if_failed();
}

void HostGroup::look_at_link() {
  try {
    if (link_) link_->tick();
    if (letters_) letters_->tick();
  } catch (const core::IoError& error) {
    board_.fail({core::ErrorCode::kRankFailed, -1,
                 fmt::format("the connection to other boxes has failed: {}", error.what()),
                 "look whether ranks of other boxes have ended, and whether the network is up"});
  }
}

void HostGroup::finish_exchanges() noexcept {
  // What all have come to is finished for the others; what they have not is no affair of ours.
  const auto patient = Clock::now() + std::chrono::seconds(5);
  try {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        advance_exchanges();
        if (exchanges_.empty() || !ring_.is_ready(exchanges_.front()->collective())) return;
      }
      if (board_.failed() || std::uncaught_exceptions() > 0 || Clock::now() > patient) return;
      std::this_thread::yield();
    }
  } catch (const core::Error&) {
    return;
  }
}

}  // namespace mutirao::comm::internal
