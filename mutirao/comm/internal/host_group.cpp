#include "mutirao/comm/internal/host_group.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "mutirao/comm/internal/host_wait.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {
namespace {

std::shared_ptr<const Segments> staging_of(const BoxMemory& memory) {
  auto segments = std::make_shared<Segments>();
  segments->bytes = memory.shape().staging_bytes;
  for (std::size_t i = 0; i < memory.ranks(); ++i) segments->bases.push_back(memory.staging(i));
  return segments;
}

bool has_left(const RankEntry& entry) {
  const RankState state = entry.state.load(std::memory_order_acquire);
  return state == RankState::kLeft || state == RankState::kLeftByException;
}

std::string how_it_left(const RankEntry& entry) {
  return entry.state.load(std::memory_order_relaxed) == RankState::kLeftByException
             ? "left the group because of an exception"
             : "left the group";
}

}  // namespace

/// A collective on a Buffer.
class InPlaceWork : public Pending {
 public:
  InPlaceWork(std::shared_ptr<HostGroup> group, std::shared_ptr<Collective> collective)
      : group_(std::move(group)), collective_(std::move(collective)) {}

  void wait() override { group_->wait_for(*collective_); }
  bool done() override {
    {
      const std::lock_guard lock(group_->mutex_);
      if (group_->advance(*collective_)) return true;
    }
    if (!since_) since_ = HostGroup::Clock::now();
    group_->check(*collective_, *since_);
    return false;
  }
  void give_up() noexcept override {}

 private:
  const std::shared_ptr<HostGroup> group_;
  const std::shared_ptr<Collective> collective_;
  std::optional<HostGroup::Clock::time_point> since_;
};

class MessageWork : public Pending {
 public:
  MessageWork(std::shared_ptr<HostGroup> group, std::shared_ptr<Message> message, std::size_t peer)
      : group_(std::move(group)), message_(std::move(message)), peer_(peer) {}

  void wait() override {
    group_->wait_until([this] { return advance(); },
                       [this] {
                         const std::lock_guard lock(group_->mutex_);
                         return group_->messages_.looks_ready();
                       },
                       [this](auto since) { group_->check(*message_, peer_, since); });
  }
  bool done() override {
    {
      const std::lock_guard lock(group_->mutex_);
      if (advance()) return true;
    }
    if (!since_) since_ = HostGroup::Clock::now();
    group_->check(*message_, peer_, *since_);
    return false;
  }
  void give_up() noexcept override {
    const std::lock_guard lock(group_->mutex_);
    message_->drop();
  }

 private:
  /// Everything moves, not this message alone: the other side may wait for another one first.
  bool advance() {
    if (!message_->done) group_->messages_.advance();
    group_->help_others();
    return message_->done;
  }

  const std::shared_ptr<HostGroup> group_;
  const std::shared_ptr<Message> message_;
  const std::size_t peer_;
  std::optional<HostGroup::Clock::time_point> since_;
};

HostGroup::HostGroup(Box box, Options options, std::unique_ptr<Link> link)
    : options_(options),
      link_(std::move(link)),
      box_(std::move(box)),
      memory_(box_.memory()),
      board_(memory_),
      crowded_(box_.members.size() > std::thread::hardware_concurrency()),
      piece_bytes_(memory_.shape().staging_bytes / (2 * kWindow)),
      staging_(internal::staging_of(memory_)),
      ring_(memory_, {.index = box_.index,
                      .members = box_.members,
                      .world_size = options_.size,
                      .finished_elsewhere = link_ != nullptr}),
      messages_(memory_, box_.index, box_.members) {
  if (several_boxes())
    link_messages_ = std::make_unique<LinkMessages>(*link_, memory_, options_.rank);
  if (leads()) {
    letters_ =
        std::make_unique<Letters>(*link_, memory_, exchange_place().box, options_.silence_timeout);
  }
  monitor_ = std::make_unique<Monitor>(memory_, box_.index, options_.silence_timeout, [this] {
    look_at_link();
    if (board_.failed()) act_on_failure();
  });
}

void HostGroup::on_failure(std::function<void()> action) {
  const std::lock_guard lock(failure_mutex_);
  failure_action_ = std::move(action);
}

void HostGroup::act_on_failure() {
  const std::lock_guard lock(failure_mutex_);
  if (failure_action_) failure_action_();
  failure_action_ = nullptr;
}

HostGroup::~HostGroup() {
  if (leads()) finish_exchanges();
  memory_.rank(box_.index)
      .state.store(std::uncaught_exceptions() > 0 ? RankState::kLeftByException : RankState::kLeft,
                   std::memory_order_seq_cst);
  memory_.ring_all();
  monitor_.reset();
  try {
    if (letters_) letters_->leave();
  } catch (const core::Error&) {
    // The link is gone, and with it those who might have read it.
  }
  if (several_boxes() && board_.failed()) link_->abandon();
}

std::string HostGroup::description() const {
  const std::size_t boxes = several_boxes() ? link_->boxes().size() : 1;
  return fmt::format("{} rank{} on {} box{}", options_.size, options_.size == 1 ? "" : "s", boxes,
                     boxes == 1 ? "" : "es");
}

std::size_t HostGroup::index_of(int rank) const {
  return static_cast<std::size_t>(std::find(box_.members.begin(), box_.members.end(), rank) -
                                  box_.members.begin());
}

// ---- Collectives.

bool HostGroup::advance(Collective& collective) {
  if (leads()) advance_exchanges();
  return ring_.advance(collective, BoxCollectives::Help::kEverything);
}

void HostGroup::help_others() {
  // The oldest are the likeliest to have all ranks there; looking at all would make many
  // outstanding collectives slow.
  constexpr std::size_t kMost = 4;
  if (leads()) advance_exchanges();
  while (!in_place_.empty() && ring_.is_done(*in_place_.front())) in_place_.pop_front();
  for (std::size_t i = 0; i < std::min(kMost, in_place_.size()); ++i)
    ring_.advance(*in_place_[i], BoxCollectives::Help::kOwnSlice);
  for (const Piece& piece : in_flight_)
    ring_.advance(*piece.collective, BoxCollectives::Help::kOwnSlice);
}

void HostGroup::post(Collective& collective) {
  board_.throw_if_failed();
  if (!ring_.can_post(sequence_)) {
    // 64 are under way: the oldest must end first.
    std::shared_ptr<Collective> oldest;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& each : in_place_) {
        if (each->sequence + kSlots == sequence_) oldest = each;
      }
      for (const Piece& piece : in_flight_) {
        if (piece.collective->sequence + kSlots == sequence_) oldest = piece.collective;
      }
    }
    if (oldest) wait_for(*oldest);
  }
  const std::lock_guard lock(mutex_);
  help_others();
  collective.sequence = sequence_++;
  if (leads()) {
    exchanges_.push_back(
        std::make_unique<Exchange>(exchange_place(), memory_, collective, exchange_steps_));
    polls_ = true;
  }
  ring_.post(collective);
  ring_.advance(collective, BoxCollectives::Help::kOwnSlice);
}

void HostGroup::wait_for(Collective& collective) {
  wait_until([&] { return advance(collective); }, [&] { return ring_.looks_ready(collective); },
             [&](Clock::time_point since) { check(collective, since); });
}

void HostGroup::check(const Collective& collective, Clock::time_point since) {
  board_.throw_if_failed();
  std::vector<std::size_t> absent;
  for (std::size_t i = 0; i < box_.members.size(); ++i) {
    const RankEntry& entry = memory_.rank(i);
    const bool left = has_left(entry);
    if (ring_.has_arrived(collective.sequence, i)) continue;
    absent.push_back(i);
    if (!left) continue;
    board_.fail(
        {core::ErrorCode::kRankFailed, entry.global_rank,
         fmt::format("{} {} before collective {}, {}; {}", name_of(entry), how_it_left(entry),
                     collective.sequence, describe(collective.header), last_collective(entry)),
         "every rank must come to every collective"});
    board_.throw_if_failed();
  }
  const Clock::duration waited_for = Clock::now() - since;
  if (several_boxes() && absent.empty()) return check_boxes(collective, waited_for);
  if (waited_for < options_.collective_timeout) return;
  Failure failure{core::ErrorCode::kCollectiveTimeout, -1, "", ""};
  const std::string what =
      fmt::format("collective {}, {}", collective.sequence, describe(collective.header));
  const std::string waited = seconds_text(options_.collective_timeout);
  if (absent.empty()) {
    failure.message =
        fmt::format("{} did not end within {}, though all ranks of {} have come to it", what,
                    waited, memory_.rank(box_.index).host);
    failure.hint = "look whether the machine has stalled";
  } else {
    const RankEntry& entry = memory_.rank(absent.front());
    failure.rank = entry.global_rank;
    failure.message = fmt::format("{} has not come to {} within {}; {}", name_of(entry), what,
                                  waited, last_collective(entry));
    if (absent.size() > 1)
      failure.message += fmt::format("; {} other ranks have not come either", absent.size() - 1);
    failure.hint = "look what that rank does instead, or give collective_timeout more time";
  }
  board_.fail(failure);
  board_.throw_if_failed();
}

std::shared_ptr<Pending> HostGroup::collective(const CollectiveHeader& header,
                                               const std::shared_ptr<const BufferMemory>& buffer) {
  auto collective = std::make_shared<Collective>();
  collective->header = header;
  collective->segments = buffer ? buffer->segments : staging_;
  const std::lock_guard order(order_);
  post(*collective);
  {
    const std::lock_guard lock(mutex_);
    if (!ring_.is_done(*collective)) in_place_.push_back(collective);
  }
  return std::make_shared<InPlaceWork>(shared_from_this(), std::move(collective));
}

// ---- Buffers.

std::shared_ptr<const BufferMemory> HostGroup::allocate(std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  const CollectiveHeader header{.count = bytes, .operation = Operation::kAllocate};
  collective(header, nullptr)->wait();

  auto memory = std::make_shared<BufferMemory>();
  auto segments = std::make_shared<Segments>();
  std::exception_ptr trouble;
  try {
    const std::size_t stride = (bytes + kPage - 1) / kPage * kPage;
    const std::size_t ranks = box_.members.size();
    if (bytes > SIZE_MAX / 2 / ranks)
      throw core::IoError(fmt::format("cannot reserve {} bytes for each rank", bytes), ENOSPC,
                          "ask for less");
    const core::UniqueFd fd =
        share_memory_file(box_, stride * ranks, options_.collective_timeout, board_);
    auto mapping = std::make_shared<core::Mapping>(fd.get(), stride * ranks,
                                                   core::Mapping::Access::kReadWrite);
    mapping->populate();
    for (std::size_t i = 0; i < ranks; ++i)
      segments->bases.push_back(static_cast<std::byte*>(mapping->data()) + i * stride);
    segments->bytes = bytes;
    segments->memory = std::move(mapping);
  } catch (const GroupFailed&) {
    throw;
  } catch (...) {
    trouble = std::current_exception();
  }

  // The lowest rank that failed, or the world size: all have it, or none.
  std::int64_t verdict = trouble ? options_.rank : options_.size;
  auto* const bytes_of_verdict = reinterpret_cast<std::byte*>(&verdict);
  const CollectiveHeader vote{.count = 1,
                              .operation = Operation::kAllReduce,
                              .type = DataType::kInt64,
                              .reduction = Reduction::kMin};
  collective(vote, CallerMemory{bytes_of_verdict, bytes_of_verdict})->wait();
  if (trouble) std::rethrow_exception(trouble);
  if (verdict != options_.size)
    throw core::IoError(fmt::format("rank {} could not map {} bytes of shared memory for each of "
                                    "{} ranks",
                                    verdict, bytes, box_.members.size()),
                        ENOMEM, "ask for less, or end other programs that use memory");

  memory->data = segments->bases[box_.index];
  memory->bytes = bytes;
  memory->group = this;
  memory->segments = std::move(segments);
  const std::lock_guard lock(mutex_);
  memory->number = next_buffer_++;
  return memory;
}

// ---- Messages.

void HostGroup::check(const Message& message, std::size_t peer, Clock::time_point since) {
  board_.throw_if_failed();
  const RankEntry& entry = memory_.rank(peer);
  const bool sending = message.from != nullptr;
  const auto what = [&] {
    return fmt::format("{} of {} {}", sending ? "taken the message" : "sent the message",
                       message.bytes / size_of(message.type), comm::name_of(message.type));
  };
  if (has_left(entry)) {
    {
      const std::lock_guard lock(mutex_);
      messages_.advance();  // what it left behind
      if (message.done) return;
    }
    board_.fail({core::ErrorCode::kRankFailed, entry.global_rank,
                 fmt::format("{} {}, but has not {}", name_of(entry), how_it_left(entry), what()),
                 "every send needs its recv"});
  } else if (Clock::now() - since >= options_.collective_timeout) {
    board_.fail({core::ErrorCode::kCollectiveTimeout, entry.global_rank,
                 fmt::format("{} has not {} within {}; {}", name_of(entry), what(),
                             seconds_text(options_.collective_timeout), last_collective(entry)),
                 "every send needs its recv"});
  }
  board_.throw_if_failed();
}

std::shared_ptr<Pending> HostGroup::send(const std::byte* data, std::size_t count, DataType type,
                                         int to) {
  board_.throw_if_failed();
  const std::lock_guard lock(mutex_);
  if (index_of(to) == box_.members.size()) {
    polls_ = true;
    return work_on(link_messages_->send({data, count * size_of(type)}, type, to));
  }
  auto message = messages_.send({data, count * size_of(type)}, type, index_of(to));
  messages_.advance();
  return std::make_shared<MessageWork>(shared_from_this(), std::move(message), index_of(to));
}

std::shared_ptr<Pending> HostGroup::receive(std::byte* data, std::size_t count, DataType type,
                                            int from) {
  board_.throw_if_failed();
  const std::lock_guard lock(mutex_);
  if (index_of(from) == box_.members.size()) {
    polls_ = true;
    return work_on(link_messages_->receive(data, count, type, from));
  }
  auto message = messages_.receive({data, count * size_of(type)}, type, index_of(from));
  messages_.advance();
  return std::make_shared<MessageWork>(shared_from_this(), std::move(message), index_of(from));
}

}  // namespace mutirao::comm::internal
