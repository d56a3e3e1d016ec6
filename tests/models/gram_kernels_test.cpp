// The inner loops of linear regression on every instruction set, against a plain reference.

#include "mutirao/models/internal/gram_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

std::vector<double> random_numbers(std::size_t n, core::RandomStream& stream) {
  std::vector<double> numbers(n);
  for (double& number : numbers) number = test::normal(stream);
  return numbers;
}

TEST(GramKernels, AddTheProductsOfAllPairsOfColumns) {
  core::RandomStream stream({1});
  for (int round = 0; round < 200; ++round) {
    const std::size_t cols = 1 + stream.below(12);
    const std::size_t rows = kGramLanes * (1 + stream.below(40));
    const std::vector<double> block = random_numbers(rows * cols, stream);
    std::vector<double> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> gram(cols * cols, 1.0);
      gram_kernels(set).add_gram(block.data(), rows, cols, gram.data());
      std::vector<double> upper;
      for (std::size_t i = 0; i < cols; ++i) {
        for (std::size_t j = i; j < cols; ++j) {
          double product = 1.0;
          for (std::size_t k = 0; k < rows; ++k)
            product += block[i * rows + k] * block[j * rows + k];
          EXPECT_NEAR(gram[i * cols + j], product, 1e-10);
          upper.push_back(gram[i * cols + j]);
        }
      }
      if (first.empty()) first = upper;
      EXPECT_EQ(upper, first) << name_of(set);
    }
  }
}

TEST(GramKernels, AddForSeveralOutputsWhatTheyAddForEach) {
  core::RandomStream stream({3});
  for (int round = 0; round < 100; ++round) {
    const std::size_t cols = 1 + stream.below(12);
    const std::size_t rows = kGramLanes * (1 + stream.below(40));
    const std::size_t outputs = 1 + stream.below(11);
    const std::vector<double> block = random_numbers(rows * cols, stream);
    const std::vector<double> coefficients = random_numbers(outputs * cols, stream);
    const std::vector<double> before = random_numbers(outputs * rows, stream);
    for (const core::InstructionSet set : instruction_sets()) {
      const GramKernels& kernels = gram_kernels(set);
      std::vector<double> scores = before;
      std::vector<double> expected = before;
      std::vector<double> slopes = coefficients;
      std::vector<double> expected_slopes = coefficients;
      kernels.add_scores(block.data(), rows, cols, coefficients.data(), outputs, scores.data());
      kernels.add_slopes(block.data(), rows, cols, scores.data(), outputs, slopes.data());
      for (std::size_t c = 0; c < outputs; ++c) {
        kernels.add_columns(block.data(), rows, cols, coefficients.data() + c * cols,
                            expected.data() + c * rows);
        kernels.add_products(block.data(), rows, cols, expected.data() + c * rows,
                             expected_slopes.data() + c * cols);
      }
      EXPECT_EQ(scores, expected) << name_of(set);
      EXPECT_EQ(slopes, expected_slopes) << name_of(set);
    }
  }
}

TEST(GramKernels, AddTheProductsOfALowerTriangle) {
  core::RandomStream stream({4});
  for (int round = 0; round < 100; ++round) {
    const std::size_t cols = 1 + stream.below(20);
    const std::size_t rows = (cols + kGramLanes - 1) / kGramLanes * kGramLanes;
    std::vector<double> lower(rows * cols, 0.0);
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t i = j; i < cols; ++i) lower[j * rows + i] = test::normal(stream);
    }
    std::vector<double> values = random_numbers(rows, stream);
    std::fill(values.begin() + static_cast<std::ptrdiff_t>(cols), values.end(), 0.0);
    std::vector<double> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> product(rows, 1.0);
      std::vector<double> transposed(cols, 1.0);
      gram_kernels(set).add_lower(lower.data(), rows, cols, values.data(), product.data());
      gram_kernels(set).add_lower_transposed(lower.data(), rows, cols, values.data(),
                                             transposed.data());
      for (std::size_t i = 0; i < cols; ++i) {
        double expected = 1.0;
        double expected_transposed = 1.0;
        for (std::size_t j = 0; j < cols; ++j) {
          expected += lower[j * rows + i] * values[j];
          expected_transposed += lower[i * rows + j] * values[j];
        }
        EXPECT_NEAR(product[i], expected, 1e-12);
        EXPECT_NEAR(transposed[i], expected_transposed, 1e-12);
      }
      product.insert(product.end(), transposed.begin(), transposed.end());
      if (first.empty()) first = product;
      EXPECT_EQ(product, first) << name_of(set);
    }
  }
}

TEST(GramKernels, AddColumnsAndMultiplyThemWithTheSum) {
  core::RandomStream stream({2});
  for (int round = 0; round < 200; ++round) {
    const std::size_t cols = 1 + stream.below(12);
    const std::size_t rows = kGramLanes * (1 + stream.below(40));
    const std::vector<double> block = random_numbers(rows * cols, stream);
    const std::vector<double> target = random_numbers(rows, stream);
    const std::vector<double> coefficients = random_numbers(cols, stream);
    std::vector<double> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> sum = target;
      std::vector<double> products(cols, 0.0);
      gram_kernels(set).add_columns(block.data(), rows, cols, coefficients.data(), sum.data());
      gram_kernels(set).add_products(block.data(), rows, cols, sum.data(), products.data());
      for (std::size_t j = 0; j < cols; ++j) {
        double product = 0.0;
        for (std::size_t k = 0; k < rows; ++k) {
          double all = target[k];
          for (std::size_t i = 0; i < cols; ++i) all += coefficients[i] * block[i * rows + k];
          product += block[j * rows + k] * all;
        }
        EXPECT_NEAR(products[j], product, 1e-9);
      }
      if (first.empty()) first = products;
      EXPECT_EQ(products, first) << name_of(set);
    }
  }
}

}  // namespace
}  // namespace mutirao::models::internal
