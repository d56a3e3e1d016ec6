// What can be seen of the GPU backend where there is no GPU: every function that it calls is there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.hpp"
#include "mutirao/comm/communicator.hpp"
#include "mutirao/comm/internal/nccl_group.hpp"
#include "ranks.hpp"

namespace mutirao::comm {
namespace {

TEST(Nccl, EveryFunctionThatIsCalledIsInTheLibrariesOfThisBuild) {
#ifdef MUTIRAO_HAVE_NCCL
  EXPECT_NO_THROW(internal::load_nccl());
#else
  EXPECT_THAT(complaint<core::Unsupported>(internal::load_nccl), testing::HasSubstr("no NCCL"));
#endif
}

TEST(Nccl, WithoutAGpuOrNcclItIsAnErrorThatSaysSo) {
  Ranks ranks(1, [](int) -> std::string {
    CommunicatorOptions options;
    options.world = World{};
    options.backend = Backend::kNccl;
    Communicator communicator(options);
    std::vector<float> values{2.0F};
    communicator.all_reduce(std::span(values)).wait();
    return values[0] == 2.0F ? "a GPU" : "wrong";
  });
  EXPECT_THAT(ranks.join(std::chrono::seconds(60))[0].said,
              testing::AnyOf("a GPU", testing::HasSubstr("no GPU"), testing::HasSubstr("no NCCL"),
                             testing::HasSubstr("cannot load")));
}

}  // namespace
}  // namespace mutirao::comm
