#pragma once

// Averages gradients over all ranks while the backward pass computes them.
//
// Purpose: what DistributedDataParallel stands on, for any list of parameters and any way of
// computing a loss. Requires: parameters where the Communicator's Buffers are (all on the CPU, or
// all on this rank's GPU), dense, float32, float64 or bfloat16, that keep their shape and place;
// the same list on every rank; one backward pass at a time, not inside another. Guarantees:
// construction gives every rank the parameters and buffers of rank 0. After backward() every
// parameter's grad() is the mean over the ranks, the same bytes on all of them: a tensor in memory
// that the ranks share (what the next backward pass overwrites; clone what is to stay). Ordering:
// buckets are averaged in one fixed order, last parameters first, each as soon as it is complete;
// on a GPU behind LibTorch's current stream and before what is queued there next. Buffers (running
// statistics) become those of the lowest rank that computed. Thread safety: one object, one thread.
// Failure: backward() throws, on every rank, comm::GroupFailed, MissingGradient, NonFiniteGradient;
// core::Unsupported for create_graph and sparse gradients. Lifetime: the Communicator outlives the
// Reducer; gradients may outlive both.
//
//   nn::Reducer reducer(ranks, nn::named(model->named_parameters()));
//   optimizer.zero_grad();
//   loss(model->forward(x), y).backward();   // gradients are means now
//   optimizer.step();

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <c10/util/Exception.h>  // which torch/ordered_dict.h needs
#include <torch/ordered_dict.h>
#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/communication_hook.hpp"
#include "mutirao/nn/error.hpp"

namespace mutirao::nn {

class CapturedStep;

enum class OnMissingGradient {
  kError,  ///< a parameter that some rank did not use is MissingGradient
  kZero    ///< it counts as zero there; a parameter that no rank used is left alone
};
enum class OnNonFinite {
  kError,  ///< infinite and NaN are NonFiniteGradient
  kAccept  ///< they are averaged like other numbers
};

struct ReducerOptions {
  /// Gradients that are averaged together, in bytes, at most; a larger one stands alone.
  std::size_t bucket_bytes = 25 << 20;
  /// The same for the first bucket, which is complete while most of the pass is to come.
  std::size_t first_bucket_bytes = 1 << 20;
  OnMissingGradient missing = OnMissingGradient::kError;
  OnNonFinite non_finite = OnNonFinite::kError;
  /// Whether buffers follow those of one rank after each synchronised pass.
  bool synchronize_buffers = true;
  /// Instead of a plain all-reduce.
  CommunicationHook hook;
};

struct NamedTensor {
  std::string name;
  torch::Tensor tensor;
};
std::vector<NamedTensor> named(const torch::OrderedDict<std::string, torch::Tensor>& tensors);

class Reducer {
  struct State;

 public:
  /// Collective. Throws ModelMismatch on every rank when they differ; core::InvalidArgument when a
  /// parameter already has a Reducer.
  Reducer(comm::Communicator& ranks, const std::vector<NamedTensor>& parameters,
          const std::vector<NamedTensor>& buffers = {}, const ReducerOptions& options = {});
  ~Reducer();
  Reducer(const Reducer&) = delete;
  Reducer& operator=(const Reducer&) = delete;

  /// While one is alive, backward passes add up gradients on this rank only; the next one behind it
  /// averages the sum.
  class [[nodiscard]] NoSync {
   public:
    explicit NoSync(Reducer& reducer) noexcept;
    ~NoSync();
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    Reducer& reducer_;
  };
  NoSync no_sync() noexcept { return NoSync(*this); }

  /// For uneven inputs: a rank that has no data left calls it, and each of the others when theirs
  /// ends. Until all have, it takes part in their backward passes without gradients of its own
  /// (means are over the ranks that have data) and calls `step`, which does what they do after
  /// each: optimizer.step() and the like.
  void join(const std::function<void()>& step);

  /// Passes that were averaged so far, and the buckets of each.
  std::size_t passes() const noexcept;
  std::size_t buckets() const noexcept;

 private:
  friend class CapturedStep;
  comm::Communicator& ranks() noexcept;
  /// Passes to come run their hooks on the stream that is current now.
  void listen_on_current_stream();
  void count_replay() noexcept;
  /// Waits for a pass that was replayed, and throws what its backward() would have thrown.
  void look_at_replay();

  std::unique_ptr<State> state_;
};

}  // namespace mutirao::nn
