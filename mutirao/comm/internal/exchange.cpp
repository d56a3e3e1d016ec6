#include "mutirao/comm/internal/exchange.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace mutirao::comm::internal {
namespace {

constexpr std::size_t kStepsUnderWay = 4;
constexpr int kTagsPerStep = 2;
constexpr std::uint64_t kTagPeriod = 4096;

int tag_of(std::uint64_t step_number, int which) {
  return kFirstExchangeTag + static_cast<int>(step_number % kTagPeriod) * kTagsPerStep + which;
}

bool all_done(std::vector<std::unique_ptr<Link::Transfer>>& transfers) {
  std::erase_if(transfers, [](const auto& transfer) { return transfer->done(); });
  return transfers.empty();
}

}  // namespace

Exchange::Exchange(const Place& place, const BoxMemory& memory, const Collective& collective,
                   std::uint64_t& step_number)
    : place_(place),
      memory_(memory),
      board_(memory),
      kernels_(reduce_kernels(core::instruction_set())),
      collective_(collective),
      element_(size_of(collective.header.type)),
      headers_(boxes().size()) {
  header_tag_ = tag_of(step_number++, 0);
  if (collective.header.on_device == 0) plan(step_number);
}

void Exchange::plan(std::uint64_t& step_number) {
  const CollectiveHeader& header = collective_.header;
  const auto ranks = static_cast<std::uint64_t>(place_.world_size);
  switch (header.operation) {
    case Operation::kBarrier:
    case Operation::kAllocate:
      break;
    case Operation::kAllReduce:
    case Operation::kReduce:
      add_steps(0, header.count, -1, step_number);
      break;
    case Operation::kReduceScatter:
      add_steps(0, header.count * ranks, -1, step_number);
      break;
    case Operation::kBroadcast:
      add_steps(0, header.count, header.root, step_number);
      break;
    case Operation::kAllGather:
      for (std::uint64_t rank = 0; rank < ranks; ++rank)
        add_steps(rank * header.count, (rank + 1) * header.count, static_cast<int>(rank),
                  step_number);
      break;
  }
}

void Exchange::add_steps(std::uint64_t begin, std::uint64_t end, int root,
                         std::uint64_t& step_number) {
  const std::uint64_t most = place_.step_bytes / element_;
  for (; begin < end; begin += most) {
    Step& step = steps_.emplace_back();
    step.begin = begin;
    step.end = std::min(end, begin + most);
    step.root = root;
    step.tag = tag_of(step_number++, 0);
  }
}

std::size_t Exchange::box_of(int rank) const {
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (std::binary_search(boxes()[box].begin(), boxes()[box].end(), rank)) return box;
  }
  return boxes().size();
}

std::byte* Exchange::at(std::size_t index, std::uint64_t element) const {
  return collective_.segments->bases[index] + collective_.header.offset + element * element_;
}

// ---- Headers.

void Exchange::exchange_headers() {
  headers_sent_ = true;
  headers_[place_.box] = collective_.header;
  header_receives_.resize(boxes().size());
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (box == place_.box) continue;
    header_sends_.push_back(
        place_.link->send(reinterpret_cast<const std::byte*>(&headers_[place_.box]),
                          sizeof(CollectiveHeader), leader(box), header_tag_));
    header_receives_[box] =
        place_.link->receive(reinterpret_cast<std::byte*>(&headers_[box]), sizeof(CollectiveHeader),
                             leader(box), header_tag_);
  }
}

std::vector<int> Exchange::absent() const {
  std::vector<int> ranks;
  for (std::size_t box = 0; box < header_receives_.size(); ++box) {
    if (header_receives_[box]) ranks.push_back(leader(box));
  }
  return ranks;
}

void Exchange::compare_headers() {
  headers_compared_ = true;
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (headers_[box] == collective_.header) continue;
    const std::size_t first = std::min(box, place_.box);
    const std::size_t second = std::max(box, place_.box);
    board_.fail({core::ErrorCode::kCollectiveMismatch, leader(box),
                 fmt::format("collective {} differs: rank {} came to {}, rank {} to {}",
                             collective_.sequence, leader(first), describe(headers_[first]),
                             leader(second), describe(headers_[second])),
                 "all ranks must call the same collectives, with the same sizes, in the same "
                 "order"});
    raise(board_.read());
  }
}

// ---- Steps.

bool Exchange::advance() {
  if (!headers_sent_) exchange_headers();
  for (auto& receive : header_receives_) {
    if (receive && receive->done()) receive.reset();
  }
  if (!absent().empty()) return false;
  if (!headers_compared_) compare_headers();
  std::size_t under_way = 0;
  for (Step& step : steps_) {
    if (step.stage < 0) continue;
    if (++under_way > kStepsUnderWay) break;
    if (advance(step)) step.stage = -1;
  }
  while (!steps_.empty() && steps_.front().stage < 0) steps_.pop_front();
  return steps_.empty() && all_done(header_sends_);
}

bool Exchange::advance(Step& step) {
  if (step.stage == 0) {
    step.root >= 0 ? begin_copy(step) : begin_reduction(step);
    step.stage = step.root >= 0 ? 2 : 1;
  }
  if (!all_done(step.transfers)) return false;
  if (step.stage == 1) {
    combine_parts(step);
    step.stage = 2;
    if (!all_done(step.transfers)) return false;
  }
  spread(step);
  return true;
}

std::size_t Exchange::part_begin(const Step& step, std::size_t box) const {
  return static_cast<std::size_t>((step.end - step.begin) * box / boxes().size());
}

void Exchange::begin_reduction(Step& step) {
  const CollectiveHeader& header = collective_.header;
  const auto count = static_cast<std::size_t>(step.end - step.begin);
  step.own.resize(count * element_);
  std::vector<const std::byte*> sources;
  for (std::size_t i = 0; i < members().size(); ++i) sources.push_back(at(i, step.begin));
  std::byte* const own = step.own.data();
  // The division of a mean comes last, over all boxes.
  const Reduction within =
      header.reduction == Reduction::kMean ? Reduction::kSum : header.reduction;
  kernels_.reduce(header.type, within, 1, sources.data(), sources.size(), &own, 1, count);

  const std::size_t mine = part_begin(step, place_.box + 1) - part_begin(step, place_.box);
  step.incoming.resize(mine * element_ * boxes().size());
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (box == place_.box) continue;
    const std::size_t begin = part_begin(step, box);
    const std::size_t end = part_begin(step, box + 1);
    step.transfers.push_back(
        place_.link->send(own + begin * element_, (end - begin) * element_, leader(box), step.tag));
    step.transfers.push_back(place_.link->receive(step.incoming.data() + box * mine * element_,
                                                  mine * element_, leader(box), step.tag));
  }
}

void Exchange::combine_parts(Step& step) {
  const CollectiveHeader& header = collective_.header;
  const std::size_t begin = part_begin(step, place_.box);
  const std::size_t mine = part_begin(step, place_.box + 1) - begin;
  std::byte* const result = step.own.data() + begin * element_;
  std::vector<const std::byte*> sources;
  for (std::size_t box = 0; box < boxes().size(); ++box)
    sources.push_back(box == place_.box ? result : step.incoming.data() + box * mine * element_);
  kernels_.reduce(header.type, header.reduction, static_cast<std::size_t>(place_.world_size),
                  sources.data(), sources.size(), &result, 1, mine);
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (box == place_.box) continue;
    const std::size_t first = part_begin(step, box);
    const std::size_t last = part_begin(step, box + 1);
    step.transfers.push_back(place_.link->send(result, mine * element_, leader(box), step.tag + 1));
    step.transfers.push_back(place_.link->receive(
        step.own.data() + first * element_, (last - first) * element_, leader(box), step.tag + 1));
  }
}

void Exchange::begin_copy(Step& step) {
  const std::size_t bytes = static_cast<std::size_t>(step.end - step.begin) * element_;
  const std::size_t from = box_of(step.root);
  step.own.resize(bytes);
  if (from != place_.box) {
    step.transfers.push_back(place_.link->receive(step.own.data(), bytes, leader(from), step.tag));
    return;
  }
  const auto root = static_cast<std::size_t>(
      std::find(members().begin(), members().end(), step.root) - members().begin());
  std::memcpy(step.own.data(), at(root, step.begin), bytes);
  for (std::size_t box = 0; box < boxes().size(); ++box) {
    if (box != place_.box)
      step.transfers.push_back(place_.link->send(step.own.data(), bytes, leader(box), step.tag));
  }
}

/// The result to whoever of this box is to have it.
void Exchange::spread(const Step& step) {
  const CollectiveHeader& header = collective_.header;
  for (std::size_t i = 0; i < members().size(); ++i) {
    std::uint64_t begin = step.begin;
    std::uint64_t end = step.end;
    if (header.operation == Operation::kReduce && members()[i] != header.root) continue;
    if (step.root == members()[i]) continue;  // has it
    if (header.operation == Operation::kReduceScatter) {
      const auto block = static_cast<std::uint64_t>(members()[i]);
      begin = std::max(begin, block * header.count);
      end = std::min(end, (block + 1) * header.count);
    }
    if (begin < end)
      std::memcpy(at(i, begin), step.own.data() + (begin - step.begin) * element_,
                  static_cast<std::size_t>(end - begin) * element_);
  }
}

}  // namespace mutirao::comm::internal
