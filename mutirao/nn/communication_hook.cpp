#include "mutirao/nn/communication_hook.hpp"

#include <memory>
#include <vector>

#include "mutirao/nn/internal/bucket.hpp"

namespace mutirao::nn {

CommunicationHook bfloat16_hook() {
  struct Stage {
    comm::Buffer memory;
    torch::Tensor numbers;
  };
  const auto stages = std::make_shared<std::vector<Stage>>();
  return [stages](comm::Communicator& ranks, GradientBucket& bucket) -> std::function<void()> {
    if (stages->size() <= bucket.index) stages->resize(bucket.index + 1);
    Stage& stage = (*stages)[bucket.index];
    const auto count = static_cast<std::size_t>(bucket.gradients.numel());
    if (!stage.numbers.defined()) {
      stage.memory = ranks.allocate(count * sizeof(comm::Bfloat16));
      stage.numbers =
          internal::tensor_over(stage.memory, 0, bucket.gradients.sizes(), {1}, torch::kBFloat16);
    }
    stage.numbers.copy_(bucket.gradients);
    const auto work = std::make_shared<comm::Work>(
        ranks.all_reduce(stage.memory.part<comm::Bfloat16>(count), comm::Reduction::kMean));
    return [work, numbers = stage.numbers, gradients = bucket.gradients] {
      work->wait();
      gradients.copy_(numbers);
    };
  };
}

}  // namespace mutirao::nn
