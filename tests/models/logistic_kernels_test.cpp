// What logistic regression does with scores, on every instruction set, against a plain reference.

#include "mutirao/models/internal/logistic_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

struct Scores {
  std::size_t rows;
  std::size_t outputs;
  std::vector<double> scores;
  std::vector<std::uint32_t> classes;
  std::vector<double> weights;

  double at(std::size_t c, std::size_t k) const { return scores[c * rows + k]; }
};

Scores random_scores(core::RandomStream& stream) {
  Scores made{.rows = kGramLanes * (1 + stream.below(20)), .outputs = 1 + stream.below(9)};
  const double scale = std::exp(12.0 * stream.uniform() - 5.0);
  for (std::size_t i = 0; i < made.rows * made.outputs; ++i)
    made.scores.push_back(std::round(8.0 * test::normal(stream)) / 8.0 * scale);
  for (std::size_t k = 0; k < made.rows; ++k) {
    made.classes.push_back(
        static_cast<std::uint32_t>(stream.below(std::max<std::size_t>(2, made.outputs))));
    made.weights.push_back(stream.below(8) == 0 ? 0.0 : stream.uniform());
  }
  return made;
}

/// Of a row: the scores of all classes, two for one output. Their differences are taken as doubles.
std::vector<double> of_classes(const Scores& all, std::size_t k) {
  if (all.outputs == 1) return {0.0, all.at(0, k)};
  std::vector<double> scores;
  for (std::size_t c = 0; c < all.outputs; ++c) scores.push_back(all.at(c, k));
  return scores;
}

TEST(LogisticKernels, TakeTheLossItsSlopesAndTheProbabilities) {
  core::RandomStream stream({1});
  for (int round = 0; round < 300; ++round) {
    const Scores given = random_scores(stream);
    std::vector<double> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> slopes = given.scores;
      std::vector<double> probabilities(slopes.size());
      std::vector<double> doubts(given.rows);
      const double loss = logistic_kernels(set).take_loss(
          slopes.data(), given.rows, given.outputs, given.classes.data(), given.weights.data(),
          probabilities.data(), doubts.data());
      long double expected_loss = 0.0L;
      for (std::size_t k = 0; k < given.rows; ++k) {
        const std::vector<double> scores = of_classes(given, k);
        const std::size_t truth = given.classes[k];
        const std::size_t top = static_cast<std::size_t>(
            std::max_element(scores.begin(), scores.end()) - scores.begin());
        const auto power = [&](std::size_t c) {
          return std::exp(static_cast<long double>(scores[c] - scores[top]));
        };
        long double rest = 0.0L;
        long double others = 0.0L;
        for (std::size_t c = 0; c < scores.size(); ++c) {
          if (c != top) rest += power(c);
          if (c != truth) others += power(c);
        }
        const double weight = given.weights[k];
        expected_loss += weight * (std::log1p(rest) + (scores[top] - scores[truth]));
        EXPECT_NEAR(doubts[k], static_cast<double>(weight * rest / (1.0L + rest)),
                    1e-14 * weight * static_cast<double>(rest) + 1e-300);
        for (std::size_t c = 0; c < given.outputs; ++c) {
          const std::size_t of = given.outputs == 1 ? 1 : c;
          const long double p = power(of) / (1.0L + rest);
          const double slope =
              static_cast<double>(weight * (of == truth ? -others / (1.0L + rest) : p));
          EXPECT_NEAR(probabilities[c * given.rows + k], static_cast<double>(p), 1e-14);
          EXPECT_NEAR(slopes[c * given.rows + k], slope, 1e-14 * std::abs(slope) + 1e-300);
        }
      }
      EXPECT_NEAR(loss, static_cast<double>(expected_loss),
                  1e-14 * static_cast<double>(expected_loss));
      std::vector<double> all = slopes;
      all.insert(all.end(), probabilities.begin(), probabilities.end());
      all.insert(all.end(), doubts.begin(), doubts.end());
      all.push_back(loss);
      if (first.empty()) first = all;
      EXPECT_EQ(all, first) << name_of(set);
    }
  }
}

TEST(LogisticKernels, AreNoNumbersWhereTheScoresAreNone) {
  for (const core::InstructionSet set : instruction_sets()) {
    for (const std::size_t outputs : {std::size_t{1}, std::size_t{3}}) {
      std::vector<double> scores(4 * outputs, 1.0);
      scores[4 * (outputs - 1) + 2] = std::nan("");
      const std::vector<std::uint32_t> classes(4, 0);
      const std::vector<double> weights(4, 1.0);
      std::vector<double> probabilities(scores.size());
      std::vector<double> doubts(4);
      EXPECT_TRUE(std::isnan(logistic_kernels(set).take_loss(scores.data(), 4, outputs,
                                                             classes.data(), weights.data(),
                                                             probabilities.data(), doubts.data())));
    }
  }
}

TEST(LogisticKernels, TakeTheCurvatureAlongADirection) {
  core::RandomStream stream({2});
  for (int round = 0; round < 100; ++round) {
    const Scores given = random_scores(stream);
    std::vector<double> probabilities(given.scores.size());
    for (std::size_t k = 0; k < given.rows; ++k) {
      double sum = given.outputs == 1 ? 1.0 : 0.0;
      for (std::size_t c = 0; c < given.outputs; ++c)
        sum += probabilities[c * given.rows + k] = stream.uniform();
      for (std::size_t c = 0; c < given.outputs; ++c) probabilities[c * given.rows + k] /= sum;
    }
    std::vector<double> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> taken = given.scores;
      logistic_kernels(set).take_curvature(probabilities.data(), given.weights.data(), given.rows,
                                           given.outputs, taken.data());
      for (std::size_t k = 0; k < given.rows; ++k) {
        double mean = 0.0;
        double size = 0.0;
        for (std::size_t c = 0; c < given.outputs; ++c) {
          mean += probabilities[c * given.rows + k] * given.at(c, k);
          size = std::max(size, std::abs(given.at(c, k)));
        }
        for (std::size_t c = 0; c < given.outputs; ++c) {
          const double expected =
              given.weights[k] * probabilities[c * given.rows + k] * (given.at(c, k) - mean);
          EXPECT_NEAR(taken[c * given.rows + k], expected, 1e-13 * size);
        }
      }
      if (first.empty()) first = taken;
      EXPECT_EQ(taken, first) << name_of(set);
    }
  }
}

}  // namespace
}  // namespace mutirao::models::internal
