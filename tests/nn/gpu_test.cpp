#include "mutirao/nn/gpu.hpp"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "../comm/ranks.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

comm::World world(int local_rank, int local_size, int size) {
  comm::World found;
  found.rank = local_rank;
  found.size = size;
  found.local_rank = local_rank;
  found.local_size = local_size;
  return found;
}

TEST(OwnGpu, IsTheRanksPlaceOnItsMachineWhenThereAreEnough) {
  EXPECT_EQ(own_gpu(world(0, 1, 1), 1), 0);
  EXPECT_EQ(own_gpu(world(1, 2, 2), 2), 1);
  EXPECT_EQ(own_gpu(world(3, 4, 16), 8), 3);
  EXPECT_EQ(own_gpu(world(0, 0, 1), 1), 0);
}

TEST(OwnGpu, IsNoneWhenTwoRanksWouldShareOne) {
  EXPECT_EQ(own_gpu(world(0, 1, 1), 0), std::nullopt);
  EXPECT_EQ(own_gpu(world(0, 2, 2), 1), std::nullopt);
  EXPECT_EQ(own_gpu(world(1, 2, 2), 1), std::nullopt);
  // The launcher does not say which of them are on this machine.
  EXPECT_EQ(own_gpu(world(0, 0, 2), 8), std::nullopt);
}

TEST(DeviceOf, IsTheCpuWhereBuffersAreOnTheHost) {
  EXPECT_EQ(comm::run_ranks(1,
                            [](comm::Communicator& ranks) {
                              require(!ranks.device(), "no GPU was given");
                              require(device_of(ranks) == torch::kCPU, "so it is the CPU");
                              ranks.set_device_stream(&ranks);  // does nothing
                              require(ranks.device_stream() == nullptr, "there is no stream");
                            }),
            "ok");
}

}  // namespace
}  // namespace mutirao::nn
