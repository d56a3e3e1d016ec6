// One rank of bench/ddp. usage: ddp_bench ddp|ddp_torch_sgd|eager

#include <string>

#include "ddp_step.hpp"
#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/distributed_data_parallel.hpp"
#include "mutirao/nn/fused_optimizers.hpp"

namespace {

using namespace mutirao;

template <class Model, class Optimizer>
auto step_of(Model& model, Optimizer& optimizer) {
  return [&](const torch::Tensor& inputs, const torch::Tensor& classes) {
    return [&, inputs, classes] {
      optimizer.zero_grad();
      torch::nn::functional::cross_entropy(model(inputs), classes).backward();
      optimizer.step();
    };
  };
}

template <class Optimizer>
void run_ddp() {
  comm::Communicator ranks;
  nn::DistributedDataParallel model(ranks, bench::article_model());
  Optimizer optimizer(model->parameters(), torch::optim::SGDOptions(0.01));
  bench::measure_steps(ranks.rank() == 0, step_of(model, optimizer),
                       [&] { ranks.barrier().wait(); });
}

void run_eager() {
  torch::nn::Sequential network = bench::article_model();
  const auto model = [&](const torch::Tensor& inputs) { return network->forward(inputs); };
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(0.01));
  bench::measure_steps(true, step_of(model, optimizer), [] {});
}

}  // namespace

int main(int argc, char** argv) try {
  at::set_num_threads(1);
  const std::string side = argc > 1 ? argv[1] : "";
  if (side == "ddp") {
    run_ddp<nn::FusedSgd>();
  } else if (side == "ddp_torch_sgd") {
    run_ddp<torch::optim::SGD>();
  } else if (side == "eager") {
    run_eager();
  } else {
    std::fprintf(stderr, "usage: ddp_bench ddp|ddp_torch_sgd|eager\n");
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "ddp_bench: error: %s\n", mutirao::core::describe(error).c_str());
  return 1;
}
