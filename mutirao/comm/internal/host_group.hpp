#pragma once

// The group of backends shm and mpi: collectives over the memory of a box and, where there are
// several boxes, an exchange between their first ranks.

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "mutirao/comm/internal/box_collectives.hpp"
#include "mutirao/comm/internal/box_messages.hpp"
#include "mutirao/comm/internal/exchange.hpp"
#include "mutirao/comm/internal/group.hpp"
#include "mutirao/comm/internal/letters.hpp"
#include "mutirao/comm/internal/link.hpp"
#include "mutirao/comm/internal/link_messages.hpp"
#include "mutirao/comm/internal/monitor.hpp"
#include "mutirao/comm/internal/rendezvous.hpp"

namespace mutirao::comm::internal {

/// Note [How spans travel]
/// A span is cut into pieces, each of which is a collective of its own on staging memory that all
/// ranks of the box map: copied in by its owner, reduced in place, copied out by its owner. Pieces
/// are numbered the same way on all ranks; piece p uses part p % (2 * kWindow) of the staging. At
/// most kWindow pieces are in flight, and a rank comes to piece p only after it has copied out
/// piece p - kWindow. So when piece p - kWindow is complete, every rank has copied out piece p - 2
/// * kWindow, whose place piece p takes.
class HostGroup : public Group, public std::enable_shared_from_this<HostGroup> {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    int rank = 0;
    int size = 1;
    std::chrono::milliseconds collective_timeout{};
    std::chrono::milliseconds silence_timeout{};
  };

  /// `link`: to the other boxes; none when there are none.
  HostGroup(Box box, Options options, std::unique_ptr<Link> link = nullptr);
  ~HostGroup() override;

  std::shared_ptr<const BufferMemory> allocate(std::size_t bytes) override;
  std::shared_ptr<Pending> collective(const CollectiveHeader& header,
                                      const std::shared_ptr<const BufferMemory>& buffer) override;
  std::shared_ptr<Pending> collective(const CollectiveHeader& header,
                                      const CallerMemory& memory) override;
  std::shared_ptr<Pending> send(const std::byte* data, std::size_t count, DataType type,
                                int to) override;
  std::shared_ptr<Pending> receive(std::byte* data, std::size_t count, DataType type,
                                   int from) override;
  /// Called once, by another thread, soon after the group has failed.
  void on_failure(std::function<void()> action);
  const FailureBoard& board() const noexcept { return board_; }

  int local_rank() const override { return static_cast<int>(box_.index); }
  int local_size() const override { return static_cast<int>(box_.members.size()); }
  std::string description() const override;

 private:
  friend class InPlaceWork;
  friend class StagedWork;
  friend class MessageWork;
  friend class LinkMessageWork;
  struct Staged;
  struct Piece;

  static constexpr std::size_t kWindow = 4;

  // host_group.cpp
  std::size_t index_of(int rank) const;  // the number of members when it is in another box
  bool several_boxes() const noexcept { return link_ != nullptr; }
  bool leads() const noexcept { return several_boxes() && box_.index == 0; }
  // host_group_boxes.cpp
  Exchange::Place exchange_place() const;
  std::shared_ptr<Pending> work_on(std::shared_ptr<LinkMessage> message);
  void advance_exchanges();
  void check_boxes(const Collective& collective, Clock::duration waited);
  void finish_exchanges() noexcept;
  void look_at_link();
  void act_on_failure();
  void post(Collective& collective);
  void help_others();
  void wait_for(Collective& collective);
  bool advance(Collective& collective);
  void check(const Collective& collective, Clock::time_point since);
  void check(const Message& message, std::size_t peer, Clock::time_point since);
  template <class Advance, class Ready, class Check>
  void wait_until(Advance advance, Ready ready, Check check);

  // host_group_staging.cpp
  void post_piece(const CollectiveHeader& whole, const std::shared_ptr<Staged>& staged,
                  std::size_t first, std::size_t count);
  void wait_for_first_piece();
  bool finish_first_piece();
  void copy_in(const Piece& piece) const;
  void copy_out(const Piece& piece) const;
  std::byte* staging_of(const Piece& piece) const;

  const Options options_;
  const std::unique_ptr<Link> link_;
  const Box box_;
  const BoxMemory memory_;
  const FailureBoard board_;
  const bool crowded_;  // more ranks than cores
  const std::size_t piece_bytes_;
  std::shared_ptr<const Segments> staging_;

  std::mutex order_;  // held by a call that posts, from its first piece to its last
  std::mutex mutex_;  // guards all below
  BoxCollectives ring_;
  BoxMessages messages_;
  std::uint64_t sequence_ = 0;
  std::uint64_t piece_number_ = 0;
  std::uint32_t next_buffer_ = 1;
  std::deque<std::shared_ptr<Collective>> in_place_;  // may be under way
  std::deque<Piece> in_flight_;
  std::uint64_t exchange_steps_ = 0;
  std::deque<std::unique_ptr<Exchange>> exchanges_;  // of the first rank of a box
  std::unique_ptr<LinkMessages> link_messages_;
  std::atomic<bool> polls_{false};        // nobody wakes us for what comes over the link
  std::atomic<bool> awaits_link_{false};  // and nothing else is awaited first

  std::mutex failure_mutex_;  // guards failure_action_
  std::function<void()> failure_action_;
  std::unique_ptr<Letters> letters_;  // used by the monitor's thread
  std::unique_ptr<Monitor> monitor_;
};

/// One piece of a span under way.
struct HostGroup::Staged {
  CallerMemory memory;
  std::size_t count = 0;  // of one block
  std::size_t pieces_left = 0;
  bool given_up = false;
};

struct HostGroup::Piece {
  std::shared_ptr<Collective> collective;
  std::shared_ptr<Staged> whole;
  std::size_t first = 0;  // element of each block that the piece begins with
};

}  // namespace mutirao::comm::internal
