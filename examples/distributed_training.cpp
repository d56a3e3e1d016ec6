// A training loop of LibTorch that runs on several processes. What makes it one are the three lines
// marked (1) to (3); start it with: mutirao launch --nproc 2 distributed_training
// Where LibTorch sees a GPU for each rank it runs on those, elsewhere on the CPU.

#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

#include <torch/torch.h>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/distributed_data_parallel.hpp"
#include "mutirao/nn/distributed_sampler.hpp"
#include "mutirao/nn/gpu.hpp"
#include "mutirao/nn/mean_metrics.hpp"

namespace {

/// A number that two sets of parameters share only if all their bytes are the same (FNV-1a).
std::int64_t checksum(const std::vector<torch::Tensor>& parameters) {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  for (const torch::Tensor& each : parameters) {
    const torch::Tensor parameter = each.detach().cpu();
    const auto* bytes = static_cast<const unsigned char*>(parameter.data_ptr());
    for (std::size_t i = 0; i < parameter.nbytes(); ++i) sum = (sum ^ bytes[i]) * 0x100000001b3ULL;
  }
  return static_cast<std::int64_t>(sum);
}

}  // namespace

int main() try {
  mutirao::comm::Communicator ranks({.device = mutirao::nn::own_gpu()});  // (1) who else is there
  const torch::Device device = mutirao::nn::device_of(ranks);

  torch::manual_seed(0);
  const torch::Tensor inputs = torch::randn({1024, 1000}).to(device);
  const torch::Tensor classes = inputs.narrow(1, 0, 10).argmax(1);

  torch::nn::Sequential network(torch::nn::Linear(1000, 100), torch::nn::ReLU(),
                                torch::nn::Linear(100, 10));
  network->to(device);
  mutirao::nn::DistributedDataParallel model(ranks, network);  // (2) gradients are means over ranks
  torch::nn::CrossEntropyLoss criterion;
  torch::optim::SGD optimizer(model->parameters(), /*lr=*/0.01);
  mutirao::nn::DistributedSampler sampler(  // (3) each rank has its own part of the data
      1024, {.rank = ranks.rank(), .world_size = ranks.size()});

  if (ranks.rank() == 0) std::printf("%s\n", ranks.description().c_str());
  for (int epoch = 0; epoch < 10; ++epoch) {
    mutirao::nn::MeanMetrics metrics;
    sampler.set_epoch(static_cast<std::uint64_t>(epoch));
    while (const auto indices = sampler.next(32)) {
      const std::vector<std::int64_t> rows(indices->begin(), indices->end());
      const torch::Tensor chosen = torch::tensor(rows).to(device);
      optimizer.zero_grad();
      const torch::Tensor loss =
          criterion(model(inputs.index_select(0, chosen)), classes.index_select(0, chosen));
      loss.backward();
      optimizer.step();
      metrics.add("loss", loss.item<double>(), static_cast<double>(rows.size()));
    }
    const double loss = metrics.average(ranks).at("loss");
    if (ranks.rank() == 0) std::printf("epoch %d: loss %.6f\n", epoch + 1, loss);
  }

  const std::int64_t mine = checksum(model->parameters());
  std::vector<std::int64_t> all(static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::span<const std::int64_t>(&mine, 1), std::span<std::int64_t>(all)).wait();
  if (ranks.rank() != 0) return 0;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    std::printf("rank %zu: parameters %016llx\n", rank, static_cast<unsigned long long>(all[rank]));
  }
  std::puts(
      "Treinamento distribu\xc3\xad"
      "do em GPUs conclu\xc3\xad"
      "do.");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", mutirao::core::describe(error).c_str());
  return 1;
}
