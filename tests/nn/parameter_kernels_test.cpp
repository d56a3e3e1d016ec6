#include "mutirao/nn/internal/parameter_kernels.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/random.hpp"

namespace mutirao::nn::internal {
namespace {

using core::InstructionSet;

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> found{InstructionSet::kBaseline};
  if (core::instruction_set() >= InstructionSet::kAvx2) found.push_back(InstructionSet::kAvx2);
  if (core::instruction_set() >= InstructionSet::kAvx512) found.push_back(InstructionSet::kAvx512);
  return found;
}

template <class T>
std::vector<T> numbers(std::size_t count, std::uint64_t key) {
  core::RandomStream random({key});
  std::vector<T> found(count);
  for (T& value : found) value = static_cast<T>(random.uniform() - 0.5);
  return found;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// One step of SGD, as the formulas of the paper (Sutskever et al. 2013) in torch's form say it.
template <class T>
void plain_sgd(std::vector<T>& w, const std::vector<T>& g, std::vector<T>& v, const SgdStep& s) {
  for (std::size_t i = 0; i < w.size(); ++i) {
    T slope = g[i] + static_cast<T>(s.weight_decay) * w[i];
    if (s.momentum != 0.0) {
      v[i] = s.first
                 ? slope
                 : static_cast<T>(s.momentum) * v[i] + static_cast<T>(1.0 - s.dampening) * slope;
      slope = s.nesterov ? slope + static_cast<T>(s.momentum) * v[i] : v[i];
    }
    w[i] -= static_cast<T>(s.rate) * slope;
  }
}

template <class T>
class ParameterKernelsTest : public testing::Test {};
using NumberTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(ParameterKernelsTest, NumberTypes);

TYPED_TEST(ParameterKernelsTest, SgdIsThePlainLoopOnEveryInstructionSet) {
  using T = TypeParam;
  const std::vector<SgdStep> steps{{.rate = 0.1},
                                   {.rate = 0.1, .weight_decay = 0.3},
                                   {.rate = 0.1, .momentum = 0.9, .first = true},
                                   {.rate = 0.1, .momentum = 0.9, .dampening = 0.2},
                                   {.rate = 0.1, .momentum = 0.9, .weight_decay = 0.1},
                                   {.rate = 0.1, .momentum = 0.9, .nesterov = true}};
  for (const SgdStep& step : steps) {
    for (const std::size_t count : {0u, 1u, 7u, 16u, 33u, 1000u}) {
      const auto gradient = numbers<T>(count, 1);
      auto weights = numbers<T>(count, 2), velocity = numbers<T>(count, 3);
      plain_sgd(weights, gradient, velocity, step);
      for (const InstructionSet set : sets()) {
        auto w = numbers<T>(count, 2), v = numbers<T>(count, 3);
        parameter_kernels<T>(set).sgd(w.data(), gradient.data(),
                                      step.momentum == 0.0 ? nullptr : v.data(), count, step);
        EXPECT_TRUE(same_bytes(w, weights)) << core::name_of(set) << " " << count;
        EXPECT_TRUE(same_bytes(v, velocity)) << core::name_of(set) << " " << count;
      }
    }
  }
}

TYPED_TEST(ParameterKernelsTest, AdamWIsThePlainFormulaOnEveryInstructionSet) {
  using T = TypeParam;
  const AdamWStep step{
      .rate = 0.01, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1, .step = 3.0};
  for (const bool amsgrad : {false, true}) {
    const std::size_t count = 1001;
    const auto gradient = numbers<T>(count, 1);
    std::vector<T> first;
    for (const InstructionSet set : sets()) {
      auto w = numbers<T>(count, 2), m = numbers<T>(count, 3), v = numbers<T>(count, 4);
      for (T& value : v) value = std::abs(value);
      auto greatest = std::vector<T>(count, T(0.3));
      const auto m0 = m, v0 = v, w0 = w;
      parameter_kernels<T>(set).adamw(w.data(), gradient.data(), m.data(), v.data(),
                                      amsgrad ? greatest.data() : nullptr, count, step);
      for (std::size_t i = 0; i < count; ++i) {
        const double mean = 0.9 * m0[i] + 0.1 * gradient[i];
        const double square = 0.99 * v0[i] + 0.01 * gradient[i] * gradient[i];
        const double used = amsgrad ? std::max(square, double(T(0.3))) : square;
        const double divisor = std::sqrt(used) / std::sqrt(1.0 - std::pow(0.99, 3)) + 1e-8;
        const double expected =
            w0[i] * (1.0 - 0.001) - 0.01 / (1.0 - std::pow(0.9, 3)) * mean / divisor;
        ASSERT_NEAR(w[i], expected, 1e-6) << i;
      }
      if (first.empty()) first = w;
      EXPECT_TRUE(same_bytes(w, first)) << core::name_of(set);
    }
  }
}

TYPED_TEST(ParameterKernelsTest, SeesEveryValueThatIsNotFinite) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  for (const InstructionSet set : sets()) {
    const auto& kernels = parameter_kernels<T>(set);
    for (std::size_t count = 0; count < 70; ++count) {
      std::vector<T> values(count, Limits::max()), copied(count);
      EXPECT_TRUE(kernels.all_finite(values.data(), count));
      for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
        for (std::size_t place = 0; place < count; ++place) {
          values.assign(count, -Limits::denorm_min());
          values[place] = bad;
          EXPECT_FALSE(kernels.all_finite(values.data(), count));
          EXPECT_FALSE(kernels.copy(copied.data(), values.data(), count));
          EXPECT_TRUE(same_bytes(copied, values));
        }
      }
      values.assign(count, T(1.5));
      EXPECT_TRUE(kernels.copy(copied.data(), values.data(), count));
      EXPECT_TRUE(same_bytes(copied, values));
    }
  }
}

TYPED_TEST(ParameterKernelsTest, SumsAndScalesTheSameOnEveryInstructionSet) {
  using T = TypeParam;
  for (const std::size_t count : {0u, 1u, 8u, 13u, 1000u, 4099u}) {
    const auto values = numbers<T>(count, 5);
    double lanes[8] = {};
    for (std::size_t i = 0; i < count; ++i) lanes[i % 8] += double(values[i]) * double(values[i]);
    double expected = 0.0;
    for (const double lane : lanes) expected += lane;
    for (const InstructionSet set : sets()) {
      EXPECT_EQ(parameter_kernels<T>(set).sum_of_squares(values.data(), count), expected);
      auto scaled = values;
      parameter_kernels<T>(set).scale(scaled.data(), count, 0.3);
      for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(scaled[i], values[i] * T(0.3));
    }
  }
}

}  // namespace
}  // namespace mutirao::nn::internal
