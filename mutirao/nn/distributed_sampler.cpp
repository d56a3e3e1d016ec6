#include "mutirao/nn/distributed_sampler.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <torch/serialize/archive.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::nn {
namespace {

constexpr std::uint64_t kSamplerStream = 0x73616d706c6572;  // keeps it apart from other uses

torch::Tensor number(std::uint64_t value) {
  return torch::full({1}, static_cast<std::int64_t>(value), torch::kInt64);
}

std::uint64_t read_number(torch::serialize::InputArchive& archive, const std::string& key) {
  torch::Tensor value;
  archive.read(key, value);
  return static_cast<std::uint64_t>(value.item<std::int64_t>());
}

}  // namespace

std::vector<std::size_t> sampler_order(std::size_t size, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  core::RandomStream random({seed, kSamplerStream, epoch});
  for (std::size_t i = size; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

DistributedSampler::DistributedSampler(std::size_t size, const DistributedSamplerOptions& options)
    : options_(options), total_(size) {
  if (options.world_size < 1 || options.rank < 0 || options.rank >= options.world_size) {
    throw core::InvalidArgument(
        fmt::format("rank {} of {} ranks cannot sample", options.rank, options.world_size),
        "take both from the communicator");
  }
  deal();
}

void DistributedSampler::deal() {
  std::vector<std::size_t> order;
  if (options_.shuffle) {
    order = sampler_order(total_, options_.seed, epoch_);
  } else {
    order.resize(total_);
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  const auto ranks = static_cast<std::size_t>(options_.world_size);
  std::size_t places = total_;
  if (options_.tail == SamplerTail::kDrop) places = total_ / ranks * ranks;
  if (options_.tail == SamplerTail::kPad) places = (total_ + ranks - 1) / ranks * ranks;
  indices_.clear();
  for (auto place = static_cast<std::size_t>(options_.rank); place < places; place += ranks)
    indices_.push_back(order[place % total_]);
  given_ = 0;
  asked_ = false;
}

void DistributedSampler::set_epoch(std::uint64_t epoch) {
  epoch_ = epoch;
  deal();
}

void DistributedSampler::seek(std::uint64_t epoch, std::size_t given) {
  set_epoch(epoch);
  if (given > indices_.size()) {
    throw core::InvalidArgument(
        fmt::format("example {} of an epoch in which this rank has {}", given, indices_.size()),
        "resume with the data and the number of ranks of that run");
  }
  given_ = given;
}

void DistributedSampler::reset(torch::optional<std::size_t> new_size) {
  if (!asked_ && (!new_size || *new_size == total_)) return;
  if (asked_) ++epoch_;
  if (new_size) total_ = *new_size;
  deal();
}

torch::optional<std::vector<std::size_t>> DistributedSampler::next(std::size_t batch_size) {
  asked_ = true;
  const std::size_t count = std::min(batch_size, indices_.size() - given_);
  if (count == 0) return torch::nullopt;
  const auto first = indices_.begin() + static_cast<std::ptrdiff_t>(given_);
  given_ += count;
  return std::vector<std::size_t>(first, first + static_cast<std::ptrdiff_t>(count));
}

void DistributedSampler::save(torch::serialize::OutputArchive& archive) const {
  archive.write("epoch", number(epoch_), /*is_buffer=*/true);
  archive.write("given", number(given_), /*is_buffer=*/true);
  archive.write("size", number(total_), /*is_buffer=*/true);
}

void DistributedSampler::load(torch::serialize::InputArchive& archive) {
  const std::uint64_t size = read_number(archive, "size");
  if (size != total_) {
    throw core::InvalidInput(
        fmt::format("a sampler of {} examples cannot go on where one of {} stopped", total_, size),
        "resume with the same data");
  }
  seek(read_number(archive, "epoch"), read_number(archive, "given"));
}

}  // namespace mutirao::nn
