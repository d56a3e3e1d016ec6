#include "mutirao/comm/internal/reduce_kernels.hpp"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "reference.hpp"

namespace mutirao::comm::internal {
namespace {

using core::InstructionSet;

template <class T>
class ReduceKernelsTest : public testing::Test {};
using Types = testing::Types<float, double, Bfloat16, std::int64_t>;
TYPED_TEST_SUITE(ReduceKernelsTest, Types);

std::vector<InstructionSet> sets_of_this_processor() {
  std::vector<InstructionSet> sets;
  for (const auto set :
       {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (set <= core::instruction_set()) sets.push_back(set);
  }
  return sets;
}

template <class T>
bool same_bytes_or_nan(T a, T b) {
  if constexpr (!std::same_as<T, std::int64_t>) {
    if (std::isnan(static_cast<double>(static_cast<typename Wide<T>::Type>(a))))
      return std::isnan(static_cast<double>(static_cast<typename Wide<T>::Type>(b)));
  }
  return std::memcmp(&a, &b, sizeof a) == 0;
}

TYPED_TEST(ReduceKernelsTest, EveryInstructionSetGivesThePlainResult) {
  using T = TypeParam;
  for (const std::size_t ranks : {1U, 2U, 3U, 4U, 8U}) {
    for (const std::size_t count : {0U, 1U, 2U, 15U, 16U, 17U, 63U, 64U, 65U, 1000U}) {
      for (const std::size_t misalignment : {0U, 1U, 3U}) {
        std::vector<std::vector<T>> inputs;
        for (std::size_t rank = 0; rank < ranks; ++rank)
          inputs.push_back(random_values<T>(count, 1000 * ranks + rank));
        for (const auto reduction :
             {Reduction::kSum, Reduction::kMean, Reduction::kMin, Reduction::kMax}) {
          for (const InstructionSet set : sets_of_this_processor()) {
            std::vector<std::vector<std::byte>> memory(
                ranks, std::vector<std::byte>(count * sizeof(T) + 8, std::byte{0x5a}));
            std::vector<const std::byte*> sources;
            std::vector<std::byte*> destinations;
            for (std::size_t rank = 0; rank < ranks; ++rank) {
              std::byte* const at = memory[rank].data() + misalignment;
              if (count > 0) std::memcpy(at, inputs[rank].data(), count * sizeof(T));
              sources.push_back(at);
              destinations.push_back(at);
            }
            reduce_kernels(set).reduce(data_type_of<T>(), reduction, ranks, sources.data(), ranks,
                                       destinations.data(), ranks, count);
            for (std::size_t i = 0; i < count; ++i) {
              std::vector<T> column;
              for (const auto& input : inputs) column.push_back(input[i]);
              const T expected = reference_reduce<T>(reduction, column);
              for (std::size_t rank = 0; rank < ranks; ++rank) {
                T found;
                std::memcpy(&found, destinations[rank] + i * sizeof(T), sizeof found);
                ASSERT_TRUE(same_bytes_or_nan(expected, found))
                    << name_of(reduction) << " of " << ranks << " ranks, element " << i << " of "
                    << count << ", " << core::name_of(set);
              }
            }
            for (const auto& bytes : memory) {
              for (std::size_t i = 0; i < misalignment; ++i) ASSERT_EQ(bytes[i], std::byte{0x5a});
              for (std::size_t i = misalignment + count * sizeof(T); i < bytes.size(); ++i)
                ASSERT_EQ(bytes[i], std::byte{0x5a});
            }
          }
        }
      }
    }
  }
}

TEST(Bfloat16, RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(Bfloat16(1.0F).bits, 0x3f80);
  EXPECT_EQ(Bfloat16(1.00390625F).bits, 0x3f80);  // half way: to even, down
  EXPECT_EQ(Bfloat16(1.01171875F).bits, 0x3f82);  // half way: to even, up
  EXPECT_EQ(Bfloat16(3.4e38F).bits, 0x7f80);      // past the largest: infinity
  EXPECT_TRUE(std::isnan(static_cast<float>(Bfloat16(std::nanf("")))));
  EXPECT_EQ(static_cast<float>(Bfloat16(-2.5F)), -2.5F);
}

}  // namespace
}  // namespace mutirao::comm::internal
