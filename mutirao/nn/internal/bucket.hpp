#pragma once

// One all-reduce of a backward pass: the gradients of some parameters, then what the ranks tell
// each other about them.
//
//   gradients   of each parameter, in the order of its own elements, from a multiple of kAlignment
//   active      [world] 1 where the rank computed this, 0 where it has no data left (join)
//   state       [parameters][world] GradientState
//
// The tail has the type of the gradients and travels with them: a rank writes its own places and
// zeroes the others, so the mean over the ranks, times their number, gives everybody's.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/communication_hook.hpp"

namespace mutirao::nn::internal {

inline constexpr std::size_t kAlignment = 64;  // bytes

/// A tensor over `memory` from byte `offset` on, which it keeps mapped.
torch::Tensor tensor_over(const comm::Buffer& memory, std::size_t offset, torch::IntArrayRef sizes,
                          torch::IntArrayRef strides, torch::ScalarType type);

/// The type as collectives know it. Throws core::Unsupported.
comm::DataType data_type_of(torch::ScalarType type, const std::string& name);

enum class GradientState { kNone = 0, kFinite = 1, kNonFinite = 2 };

/// A parameter's place in a bucket.
struct Slot {
  std::string name;
  torch::Tensor parameter;
  torch::Tensor gradient;                      // over the bucket's memory
  GradientState state = GradientState::kNone;  // in this backward pass, on this rank
};

class Bucket {
 public:
  struct Parameter {
    std::string name;
    torch::Tensor tensor;
  };
  /// All of one type. Collective.
  Bucket(comm::Communicator& ranks, std::size_t index, const std::vector<Parameter>& parameters);

  std::vector<Slot>& slots() noexcept { return slots_; }
  const std::vector<Slot>& slots() const noexcept { return slots_; }

  /// A backward pass begins.
  void begin() noexcept;
  /// The parameter's gradient of this pass is there: puts it into the bucket. True when it was the
  /// last one.
  bool take(std::size_t slot, bool look_at_values);
  bool complete() const noexcept { return missing_ == 0; }
  /// For slots that got none: what their gradient holds from before, or zero.
  void take_rest();
  /// For a rank without data.
  void zero();

  /// Tells the others about this rank's gradients, and starts to average them. Collective.
  void launch(const CommunicationHook& hook, std::size_t bucket_count, bool active);
  /// The same in two steps, for who looks at the tail in between; only with a hook.
  void launch_tail(bool active);
  void launch_hook(const CommunicationHook& hook, std::size_t bucket_count);
  void wait_for_tail() { work_.wait(); }
  void wait();
  /// After wait(): on a GPU, waits until the tail is here; on the host it is. A pass that is being
  /// captured has none: what was seen last stands.
  void look();

  // After look().
  bool active(int rank) const { return tail(static_cast<std::size_t>(rank)) != 0; }
  GradientState state(std::size_t slot, int rank) const {
    return static_cast<GradientState>(
        tail(static_cast<std::size_t>(world_) * (slot + 1) + static_cast<std::size_t>(rank)));
  }
  void scale(double factor);

 private:
  int tail(std::size_t place) const;
  void write_tail(bool active);

  comm::Communicator* ranks_;
  std::size_t index_;
  int world_;
  comm::DataType type_ = comm::DataType::kFloat32;
  comm::Buffer memory_;
  bool look_at_values_ = false;  // in this pass, on a GPU: when the tail is written
  std::size_t count_ = 0;        // elements of the gradients, with what aligns them
  torch::Tensor flat_;           // those
  torch::Tensor tail_;
  torch::Tensor seen_;  // the tail of a GPU's memory, [as it], float64, on the host
  std::vector<Slot> slots_;

  std::size_t missing_ = 0;
  comm::Work work_;
  std::function<void()> finish_hook_;
};

}  // namespace mutirao::nn::internal
