#pragma once

// Note [Between boxes]
// The first rank of each box exchanges with those of the others. A collective is cut into steps of
// at most kStepBytes, a few of which are under way at a time:
//   reduce  the box's values are combined in rank order; each box owns a part of the step, gets
//   that
//           part from every other box, combines the parts in the order of the boxes, and sends the
//           result to every other box: twice (boxes - 1) / boxes of the bytes each way.
//   copy    the box of the root sends to every other box.
// So every rank gets the same bytes, run after run; but sums over several boxes are taken box by
// box, not rank by rank. Before the first step the headers are exchanged and compared.

#include <deque>
#include <memory>
#include <vector>

#include "mutirao/comm/internal/box_collectives.hpp"
#include "mutirao/comm/internal/link.hpp"

namespace mutirao::comm::internal {

/// One collective between boxes, at the first rank of its box.
class Exchange {
 public:
  struct Place {
    Link* link = nullptr;
    std::size_t box = 0;  ///< of boxes()
    int world_size = 1;
    std::size_t step_bytes = 1 << 20;
  };

  /// `step_number`: of all steps of the group so far, the same in all boxes; moved on.
  Exchange(const Place& place, const BoxMemory& memory, const Collective& collective,
           std::uint64_t& step_number);
  /// All ranks of this box have come, and the work is to be done. True when it is.
  /// Throws CollectiveMismatch (after writing it down), core::IoError.
  bool advance();
  const Collective& collective() const noexcept { return collective_; }
  /// Boxes whose first rank has not come; ranks.
  std::vector<int> absent() const;

 private:
  struct Step {
    std::uint64_t begin = 0;  ///< elements of the buffer
    std::uint64_t end = 0;
    int root = -1;  ///< a copy from that rank; otherwise a reduction
    int tag = 0;
    int stage = 0;
    std::vector<std::byte> own;       // this box's values, then the result
    std::vector<std::byte> incoming;  // this box's part from each other box
    std::vector<std::unique_ptr<Link::Transfer>> transfers;
  };

  void plan(std::uint64_t& step_number);
  void add_steps(std::uint64_t begin, std::uint64_t end, int root, std::uint64_t& step_number);
  void exchange_headers();
  void compare_headers();
  bool advance(Step& step);
  void begin_reduction(Step& step);
  void combine_parts(Step& step);
  void begin_copy(Step& step);
  void spread(const Step& step);
  std::size_t part_begin(const Step& step, std::size_t box) const;
  std::size_t box_of(int rank) const;
  std::byte* at(std::size_t index, std::uint64_t element) const;
  const std::vector<std::vector<int>>& boxes() const { return place_.link->boxes(); }
  const std::vector<int>& members() const { return boxes()[place_.box]; }
  int leader(std::size_t box) const { return boxes()[box].front(); }

  const Place place_;
  const BoxMemory memory_;
  const FailureBoard board_;
  const ReduceKernels& kernels_;
  const Collective collective_;
  std::size_t element_ = 0;  // bytes
  bool headers_sent_ = false;
  bool headers_compared_ = false;
  int header_tag_ = 0;
  std::vector<CollectiveHeader> headers_;  // of each box
  std::vector<std::unique_ptr<Link::Transfer>> header_sends_;
  std::vector<std::unique_ptr<Link::Transfer>> header_receives_;  // null: received, or this box
  std::deque<Step> steps_;                                        // not done
};

}  // namespace mutirao::comm::internal
