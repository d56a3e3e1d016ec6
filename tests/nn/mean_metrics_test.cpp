#include "mutirao/nn/mean_metrics.hpp"

#include <cmath>
#include <stdexcept>

#include <gtest/gtest.h>

#include "../comm/ranks.hpp"

namespace mutirao::nn {
namespace {

TEST(MeanMetrics, AreMeansOverTheExamplesOfAllRanks) {
  EXPECT_EQ(comm::run_ranks(3,
                            [](comm::Communicator& ranks) {
                              MeanMetrics metrics;
                              // Rank 0 has seen nothing, rank 2 alone knows "accuracy".
                              if (ranks.rank() >= 1) metrics.add("loss", 2.0 * ranks.rank(), 4.0);
                              if (ranks.rank() == 2) metrics.add("loss", 10.0, 2.0);
                              if (ranks.rank() == 2) metrics.add("accuracy", 0.25);
                              const auto means = metrics.average(ranks);
                              if (means.size() != 2 || means.at("accuracy") != 0.25 ||
                                  means.at("loss") != (8.0 + 16.0 + 20.0) / 10.0)
                                throw std::runtime_error("other means");
                              if (!metrics.average(ranks).empty())
                                throw std::runtime_error("it does not begin anew");
                            }),
            "ok");
}

}  // namespace
}  // namespace mutirao::nn
