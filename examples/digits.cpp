// Handwritten digits, learned by several processes, with checkpoints: stop it, kill it, start it
// again, and it ends as if nothing had been.
//   mutirao launch --nproc 2 digits [FOLDER OF CHECKPOINTS]

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <torch/torch.h>
#include <zlib.h>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/checkpoint.hpp"
#include "mutirao/nn/distributed_data_parallel.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "mutirao/nn/mean_metrics.hpp"

namespace nn = mutirao::nn;

namespace {

constexpr std::int64_t kPixels = 64, kEpochs = 30, kBatch = 16;  // a batch is that of one rank

struct Digits {
  torch::Tensor images;   // [count, 64], 0 to 1
  torch::Tensor classes;  // [count]
};

/// Each line: 64 pixels from 0 to 16, then the digit.
Digits read_digits(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) throw std::runtime_error("cannot read " + path);
  std::vector<float> pixels;
  std::vector<std::int64_t> classes;
  for (char line[1024]; gzgets(file.get(), line, sizeof line) != nullptr;) {
    char* next = line;
    for (int i = 0; i < kPixels; ++i, ++next)
      pixels.push_back(static_cast<float>(std::strtod(next, &next) / 16.0));
    classes.push_back(std::strtol(next, nullptr, 10));
  }
  const torch::Tensor images = torch::tensor(pixels).view({-1, kPixels});
  // The file goes writer by writer: shuffled, all writers are on both sides.
  std::vector<std::int64_t> order;
  for (const std::size_t row : nn::sampler_order(classes.size(), /*seed=*/1, /*epoch=*/0))
    order.push_back(static_cast<std::int64_t>(row));
  const torch::Tensor chosen = torch::tensor(order);
  return {images.index_select(0, chosen), torch::tensor(classes).index_select(0, chosen)};
}

Digits part(const Digits& digits, std::int64_t first, std::int64_t end) {
  return {digits.images.slice(0, first, end), digits.classes.slice(0, first, end)};
}

double accuracy(torch::nn::Sequential& network, const Digits& digits) {
  const torch::NoGradGuard no_grad;
  network->eval();
  const auto right = network->forward(digits.images).argmax(1).eq(digits.classes);
  network->train();
  return right.to(torch::kFloat64).mean().item<double>();
}

}  // namespace

int main(int argc, char** argv) try {
  mutirao::comm::Communicator ranks;
  const Digits all = read_digits(MUTIRAO_DIGITS);
  const std::int64_t count = all.classes.size(0), held_out = count / 5;
  const Digits test = part(all, 0, held_out), train = part(all, held_out, count);

  torch::manual_seed(1);
  torch::nn::Sequential network(torch::nn::Linear(kPixels, 128), torch::nn::ReLU(),
                                torch::nn::Dropout(0.2), torch::nn::Linear(128, 10));
  nn::DistributedDataParallel model(ranks, network);
  nn::FusedAdamW optimizer(network->parameters(),
                           torch::optim::AdamWOptions(3e-3).weight_decay(0.01));
  nn::DistributedSampler sampler(static_cast<std::size_t>(train.classes.size(0)),
                                 {.rank = ranks.rank(), .world_size = ranks.size()});
  const auto steps = static_cast<std::int64_t>(sampler.size() + kBatch - 1) / kBatch * kEpochs;
  nn::LearningRate rate(optimizer, nn::WarmupCosine{.warmup_steps = 50, .total_steps = steps});
  torch::manual_seed(10 + static_cast<std::uint64_t>(ranks.rank()));  // dropout, on each rank

  std::unique_ptr<nn::Checkpoints> checkpoints;
  std::int64_t epoch = 0;
  if (argc > 1) {
    checkpoints = std::make_unique<nn::Checkpoints>(ranks,
                                                    nn::TrainingParts{.module = &*network,
                                                                      .optimizer = &optimizer,
                                                                      .sampler = &sampler,
                                                                      .learning_rate = &rate},
                                                    nn::CheckpointOptions{.folder = argv[1]});
    if (const auto resumed = checkpoints->resume()) {
      epoch = resumed->step;
      if (ranks.rank() == 0) std::printf("resumed after epoch %d\n", static_cast<int>(epoch));
    }
  }
  while (epoch < kEpochs) {
    nn::MeanMetrics metrics;
    sampler.set_epoch(static_cast<std::uint64_t>(epoch));
    while (const auto indices = sampler.next(kBatch)) {
      const std::vector<std::int64_t> rows(indices->begin(), indices->end());
      const torch::Tensor chosen = torch::tensor(rows);
      optimizer.zero_grad();
      const torch::Tensor loss = torch::nn::functional::cross_entropy(
          model(train.images.index_select(0, chosen)), train.classes.index_select(0, chosen));
      loss.backward();
      optimizer.step();
      rate.step();
      metrics.add("loss", loss.item<double>(), static_cast<double>(rows.size()));
    }
    ++epoch;
    const double loss = metrics.average(ranks).at("loss");
    if (ranks.rank() == 0) std::printf("epoch %d: loss %.9f\n", static_cast<int>(epoch), loss);
    std::fflush(stdout);
    if (checkpoints) checkpoints->save(epoch, {{"loss", loss}});
  }
  if (ranks.rank() == 0)
    std::printf("held-out accuracy: %.2f%%\n", 100.0 * accuracy(network, test));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", mutirao::core::describe(error).c_str());
  return 1;
}
