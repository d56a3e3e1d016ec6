// What a GPU writes into the tail of a bucket, by the same operations on the host.

#include "mutirao/nn/internal/device_tail.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::nn::internal {
namespace {

using testing::ElementsAre;
using torch::Tensor;

std::vector<float> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.to(torch::kFloat32).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(DeviceTail, SaysWhichGradientsThisRankHasAndWhichAreNotFinite) {
  for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
    Tensor large = torch::ones({2, 3}, type), bad = torch::ones({5}, type);
    large[1][1] = 3e38F;  // its square is not finite, itself it is
    bad[4] = kNan;
    Tensor worse = torch::zeros({1}, type);
    worse[0] = -kInfinity;
    // Two ranks, five parameters, this is rank 1: [active], then the state of each.
    const Tensor tail = torch::full({12}, 7.0, type);
    const std::vector<Tensor> all{large, bad, worse, torch::ones({0}, type),
                                  torch::ones({1}, type)};
    write_tail_on_device(tail, 1, true, all, /*look_at_values=*/true);
    EXPECT_THAT(numbers(tail), ElementsAre(0, 1, 0, 1, 0, 2, 0, 2, 0, 1, 0, 1)) << type;
    write_tail_on_device(tail, 1, true, all, /*look_at_values=*/false);
    EXPECT_THAT(numbers(tail), ElementsAre(0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)) << type;
  }
}

TEST(DeviceTail, LeavesAZeroWhereThereIsNoGradient) {
  const Tensor tail = torch::full({8}, 7.0), bad = torch::full({3}, kNan);
  write_tail_on_device(tail, 0, true, {Tensor(), bad, torch::ones({2})}, /*look_at_values=*/true);
  EXPECT_THAT(numbers(tail), ElementsAre(1, 0, 0, 0, 2, 0, 1, 0));
  write_tail_on_device(tail, 0, true, {Tensor(), Tensor(), Tensor()}, /*look_at_values=*/true);
  EXPECT_THAT(numbers(tail), ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
}

TEST(DeviceTail, ARankWithoutDataWritesZeros) {
  const Tensor tail = torch::full({4}, 7.0);
  write_tail_on_device(tail, 1, false, {torch::ones({2})}, /*look_at_values=*/true);
  EXPECT_THAT(numbers(tail), ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace mutirao::nn::internal
