// Spans: see Note [How spans travel].

#include <algorithm>
#include <cstring>
#include <utility>

#include "mutirao/comm/internal/host_group.hpp"
#include "mutirao/comm/internal/host_wait.hpp"

namespace mutirao::comm::internal {
namespace {

bool has_blocks(Operation operation) noexcept {
  return operation == Operation::kAllGather || operation == Operation::kReduceScatter;
}

}  // namespace

class StagedWork : public Pending {
 public:
  StagedWork(std::shared_ptr<HostGroup> group, std::shared_ptr<HostGroup::Staged> staged)
      : group_(std::move(group)), staged_(std::move(staged)) {}

  void wait() override {
    while (pieces_left() > 0) group_->wait_for_first_piece();
  }
  bool done() override {
    const std::shared_ptr<Collective> first = [&]() -> std::shared_ptr<Collective> {
      const std::lock_guard lock(group_->mutex_);
      while (staged_->pieces_left > 0 && group_->finish_first_piece()) {
      }
      return staged_->pieces_left == 0 ? nullptr : group_->in_flight_.front().collective;
    }();
    if (!first) return true;
    if (!since_) since_ = HostGroup::Clock::now();
    group_->check(*first, *since_);
    return false;
  }
  void give_up() noexcept override {
    const std::lock_guard lock(group_->mutex_);
    staged_->given_up = true;
  }

 private:
  std::size_t pieces_left() const {
    const std::lock_guard lock(group_->mutex_);
    return staged_->pieces_left;
  }

  const std::shared_ptr<HostGroup> group_;
  const std::shared_ptr<HostGroup::Staged> staged_;
  std::optional<HostGroup::Clock::time_point> since_;
};

std::byte* HostGroup::staging_of(const Piece& piece) const {
  return staging_->bases[box_.index] + piece.collective->header.offset;
}

void HostGroup::copy_in(const Piece& piece) const {
  const CollectiveHeader& header = piece.collective->header;
  const std::byte* const in = piece.whole->memory.in;
  if (in == nullptr || header.count == 0) return;
  const std::size_t element = size_of(header.type);
  const std::size_t bytes = header.count * element;
  std::byte* const to = staging_of(piece);
  const auto rank = static_cast<std::size_t>(options_.rank);
  if (header.operation == Operation::kAllGather) {
    std::memcpy(to + rank * bytes, in + piece.first * element, bytes);
  } else {
    const std::size_t blocks =
        header.operation == Operation::kReduceScatter ? static_cast<std::size_t>(options_.size) : 1;
    for (std::size_t i = 0; i < blocks; ++i)
      std::memcpy(to + i * bytes, in + (i * piece.whole->count + piece.first) * element, bytes);
  }
}

void HostGroup::copy_out(const Piece& piece) const {
  const CollectiveHeader& header = piece.collective->header;
  std::byte* const out = piece.whole->memory.out;
  if (out == nullptr || piece.whole->given_up || header.count == 0) return;
  const std::size_t element = size_of(header.type);
  const std::size_t bytes = header.count * element;
  const std::byte* const from = staging_of(piece);
  const auto rank = static_cast<std::size_t>(options_.rank);
  if (header.operation == Operation::kReduceScatter) {
    std::memcpy(out + piece.first * element, from + rank * bytes, bytes);
  } else {
    const std::size_t blocks =
        header.operation == Operation::kAllGather ? static_cast<std::size_t>(options_.size) : 1;
    for (std::size_t i = 0; i < blocks; ++i)
      std::memcpy(out + (i * piece.whole->count + piece.first) * element, from + i * bytes, bytes);
  }
}

bool HostGroup::finish_first_piece() {
  const Piece& piece = in_flight_.front();
  if (!advance(*piece.collective)) return false;
  copy_out(piece);
  --piece.whole->pieces_left;
  in_flight_.pop_front();
  return true;
}

void HostGroup::wait_for_first_piece() {
  std::shared_ptr<Collective> first;
  {
    const std::lock_guard lock(mutex_);
    if (in_flight_.empty()) return;
    first = in_flight_.front().collective;
  }
  // Another thread of this rank may finish it meanwhile.
  wait_until(
      [&] {
        return in_flight_.empty() || in_flight_.front().collective != first || finish_first_piece();
      },
      [&] { return ring_.looks_ready(*first); },
      [&](Clock::time_point since) { check(*first, since); });
}

void HostGroup::post_piece(const CollectiveHeader& whole, const std::shared_ptr<Staged>& staged,
                           std::size_t first, std::size_t count) {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (in_flight_.size() < kWindow) break;
    }
    wait_for_first_piece();
  }
  Piece piece{std::make_shared<Collective>(), staged, first};
  piece.collective->header = whole;
  piece.collective->header.count = count;
  piece.collective->header.whole = whole.count;
  piece.collective->header.offset = (piece_number_++ % (2 * kWindow)) * piece_bytes_;
  piece.collective->segments = staging_;
  copy_in(piece);
  post(*piece.collective);
  const std::lock_guard lock(mutex_);
  in_flight_.push_back(std::move(piece));
}

std::shared_ptr<Pending> HostGroup::collective(const CollectiveHeader& header,
                                               const CallerMemory& memory) {
  const std::size_t blocks =
      has_blocks(header.operation) ? static_cast<std::size_t>(options_.size) : 1;
  const std::size_t most = piece_bytes_ / blocks / size_of(header.type);
  const std::size_t pieces = std::max<std::size_t>(1, (header.count + most - 1) / most);
  auto staged = std::make_shared<Staged>();
  staged->memory = memory;
  staged->count = header.count;
  staged->pieces_left = pieces;
  const std::lock_guard order(order_);
  for (std::size_t i = 0; i < pieces; ++i)
    post_piece(header, staged, i * most, std::min(most, header.count - i * most));
  return std::make_shared<StagedWork>(shared_from_this(), std::move(staged));
}

}  // namespace mutirao::comm::internal
