#pragma once

// Which examples each rank looks at in each epoch.
//
// Purpose: the sampler of a torch::data loader when several ranks train together; torch's own
// DistributedRandomSampler gives every epoch the same order. Requires: all ranks use the same size
// and options. Guarantees: the order of an epoch is a function of (size, seed, epoch) alone, see
// sampler_order(); rank r of n takes the places r, r + n, r + 2n, ... of that order. What remains
// when the size is no multiple of n is dealt with by `tail`. Thread safety: one object, one thread.
// Failure: core::InvalidArgument.
//
//   DistributedSampler sampler(dataset_size, {.rank = 0, .world_size = 2, .seed = 7});
//   for (int epoch = 0; epoch < 10; ++epoch) {
//     sampler.set_epoch(epoch);
//     while (auto batch = sampler.next(32)) step(*batch);
//   }
// A torch::data loader resets its sampler whenever it begins: each time is the next epoch.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <torch/data/samplers/base.h>

namespace mutirao::nn {

/// What happens with the examples that do not divide evenly among the ranks.
enum class SamplerTail {
  kPad,    ///< the first of the order are given again: every rank has ceil(size / n)
  kDrop,   ///< they are left out in this epoch: every rank has floor(size / n)
  kUneven  ///< every example once: low ranks have one more (train with join())
};

struct DistributedSamplerOptions {
  int rank = 0;
  int world_size = 1;
  std::uint64_t seed = 0;
  bool shuffle = true;
  SamplerTail tail = SamplerTail::kPad;
};

/// The order in which all ranks together look at `size` examples: the identity, shuffled by Fisher
/// and Yates from the back with core::RandomStream({seed, 0x73616d706c6572, epoch}), where place i
/// is swapped with a uniform place in [0, i].
std::vector<std::size_t> sampler_order(std::size_t size, std::uint64_t seed, std::uint64_t epoch);

class DistributedSampler : public torch::data::samplers::Sampler<> {
 public:
  DistributedSampler(std::size_t size, const DistributedSamplerOptions& options);

  /// Begins an epoch at its first example.
  void set_epoch(std::uint64_t epoch);
  std::uint64_t epoch() const noexcept { return epoch_; }
  /// How many examples this rank has in an epoch, and how many of them were given.
  std::size_t size() const noexcept { return indices_.size(); }
  std::size_t given() const noexcept { return given_; }
  /// The next example is the one behind the first `given` of that epoch.
  void seek(std::uint64_t epoch, std::size_t given);

  /// Begins the next epoch if next() was called since the last one of set_epoch, seek, load and
  /// reset; otherwise stays where it is. With another number of examples it begins an epoch anyway.
  void reset(torch::optional<std::size_t> new_size = torch::nullopt) override;
  /// The next examples, at most `batch_size`; nothing at the end of the epoch.
  torch::optional<std::vector<std::size_t>> next(std::size_t batch_size) override;
  /// Epoch and place within it.
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 private:
  void deal();

  DistributedSamplerOptions options_;
  std::size_t total_;
  std::uint64_t epoch_ = 0;
  std::size_t given_ = 0;
  bool asked_ = false;                // next() was called since the place was last set
  std::vector<std::size_t> indices_;  // of this rank, this epoch
};

}  // namespace mutirao::nn
