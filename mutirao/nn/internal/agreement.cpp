#include "mutirao/nn/internal/agreement.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include "mutirao/nn/error.hpp"
#include "mutirao/nn/internal/bucket.hpp"
#include "mutirao/nn/internal/device.hpp"
#include "mutirao/nn/internal/texts.hpp"

namespace mutirao::nn::internal {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Through a Buffer as large as the largest.
void broadcast_on_device(comm::Communicator& ranks, const std::vector<torch::Tensor>& tensors,
                         int root) {
  constexpr std::size_t kWord = sizeof(std::int64_t);
  std::size_t most = 0;
  for (const torch::Tensor& tensor : tensors) most = std::max(most, tensor.nbytes());
  if (most == 0) return;
  const comm::Buffer memory = ranks.allocate((most + kWord - 1) / kWord * kWord);
  for (const torch::Tensor& tensor : tensors) {
    if (tensor.numel() == 0) continue;
    const CollectivesOn scope(ranks, current_stream(tensor.device()));
    const torch::Tensor place =
        tensor_over(memory, 0, tensor.sizes(), tensor.strides(), tensor.scalar_type());
    if (ranks.rank() == root) place.copy_(tensor);
    const std::size_t words = (tensor.nbytes() + kWord - 1) / kWord;
    ranks.broadcast(memory.part<std::int64_t>(words), root).wait();
    if (ranks.rank() != root) tensor.copy_(place);
  }
}

}  // namespace

std::string line_of(const std::string& name, const torch::Tensor& tensor) {
  return fmt::format("{}: {} [{}], strides [{}]{}", name, c10::toString(tensor.scalar_type()),
                     fmt::join(tensor.sizes(), ", "), fmt::join(tensor.strides(), ", "),
                     tensor.requires_grad() ? "" : ", without gradient");
}

void check_agreement(comm::Communicator& ranks, const std::vector<std::string>& lines) {
  const std::string mine = fmt::format("{}\n", fmt::join(lines, "\n"));
  const auto world = static_cast<std::size_t>(ranks.size());
  const auto own = static_cast<std::int64_t>(XXH3_64bits(mine.data(), mine.size()));
  std::vector<std::int64_t> sums(world);
  ranks.all_gather(std::span<const std::int64_t>(&own, 1), std::span<std::int64_t>(sums)).wait();
  if (std::all_of(sums.begin(), sums.end(), [&](std::int64_t sum) { return sum == sums[0]; }))
    return;
  const std::vector<std::string> texts = gather_texts(ranks, mine);
  const std::vector<std::string> first = lines_of(texts[0]);
  for (std::size_t rank = 1; rank < world; ++rank) {
    const std::vector<std::string> other = lines_of(texts[rank]);
    const std::size_t count = std::max(first.size(), other.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::string here = i < other.size() ? other[i] : "nothing";
      const std::string there = i < first.size() ? first[i] : "nothing";
      if (here == there) continue;
      throw ModelMismatch(
          fmt::format(
              "the ranks do not have the same model: rank {} has ({}) where rank 0 has ({})", rank,
              here, there),
          "build the same model with the same options on every rank");
    }
  }
  throw ModelMismatch("the ranks do not have the same model",
                      "build the same model with the same options on every rank");
}

void broadcast(comm::Communicator& ranks, const std::vector<torch::Tensor>& tensors, int root) {
  if (ranks.device()) return broadcast_on_device(ranks, tensors, root);
  std::vector<std::int64_t> words;
  for (const torch::Tensor& tensor : tensors) {
    const auto bytes = static_cast<std::size_t>(tensor.numel()) * tensor.element_size();
    words.assign((bytes + sizeof(std::int64_t) - 1) / sizeof(std::int64_t), 0);
    if (ranks.rank() == root) std::memcpy(words.data(), tensor.data_ptr(), bytes);
    ranks.broadcast(std::span<std::int64_t>(words), root).wait();
    if (ranks.rank() != root) std::memcpy(tensor.data_ptr(), words.data(), bytes);
  }
}

}  // namespace mutirao::nn::internal
