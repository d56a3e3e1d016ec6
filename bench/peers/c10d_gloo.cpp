// The peer of bench/ddp that follows PyTorch's C++ example: a c10d process group of Gloo, and one
// all-reduce per parameter after the backward pass. Ranks come from RANK, WORLD_SIZE, MASTER_PORT.

#include <cstdlib>
#include <string>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "bench/ddp_step.hpp"

namespace {

int number(const char* name) { return std::stoi(std::getenv(name)); }

}  // namespace

int main() {
  at::set_num_threads(1);
  const int rank = number("RANK");
  const int size = number("WORLD_SIZE");
  c10d::TCPStoreOptions where;
  where.port = static_cast<std::uint16_t>(number("MASTER_PORT"));
  where.isServer = rank == 0;
  where.numWorkers = size;
  const auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", where);
  const auto options = c10d::ProcessGroupGloo::Options::create();
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  c10d::ProcessGroupGloo group(store, rank, size, options);

  torch::nn::Sequential network = mutirao::bench::article_model();
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(0.01));
  mutirao::bench::measure_steps(
      rank == 0,
      [&](const torch::Tensor& inputs, const torch::Tensor& classes) {
        return [&, inputs, classes] {
          optimizer.zero_grad();
          torch::nn::functional::cross_entropy(network->forward(inputs), classes).backward();
          for (const torch::Tensor& parameter : network->parameters()) {
            std::vector<torch::Tensor> gradient{parameter.grad()};
            group.allreduce(gradient)->wait();
          }
          for (const torch::Tensor& parameter : network->parameters()) parameter.grad().div_(size);
          optimizer.step();
        };
      },
      [&] { group.barrier()->wait(); });
  return 0;
}
