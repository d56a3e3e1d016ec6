#include "mutirao/models/k_neighbors.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/distance_kernels.hpp"
#include "mutirao/models/internal/neighbour_rows.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using internal::Neighbour;

/// The plain search: all distances, sorted.
std::vector<Neighbour> nearest(const data::MatrixView& x, const data::MatrixView& points,
                               std::size_t point, std::size_t k, int p) {
  std::vector<Neighbour> all;
  for (std::uint32_t i = 0; i < x.rows; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < x.cols; ++j) {
      const double off = x(i, j) - points(point, j);
      sum += p == 2 ? off * off : std::abs(off);
    }
    all.push_back({sum, i});
  }
  std::sort(all.begin(), all.end());
  all.resize(k);
  return all;
}

/// Small whole numbers: many rows are equally far.
data::Matrix grid(std::size_t rows, std::size_t cols, std::uint64_t seed, std::uint64_t values) {
  core::RandomStream stream({seed});
  data::Matrix x(rows, cols);
  for (std::size_t j = 0; j < cols; ++j) {
    for (double& value : x.writable_column(j))
      value = values == 0 ? test::normal(stream) : static_cast<double>(stream.below(values));
  }
  return x;
}

TEST(NeighbourRows, AreThoseOfThePlainSearchWithATreeAndWithout) {
  for (const std::uint64_t values : {0, 3}) {
    for (const std::size_t cols : {1, 2, 5, 15, 20}) {
      for (const int p : {1, 2}) {
        const data::Matrix x = grid(700, cols, 1, values);
        const data::Matrix points = grid(50, cols, 2, values);
        const std::vector<double> y(700, 0.0);
        internal::NeighbourRows rows({.x = x, .y = y}, p);
        for (const bool tree : {true, false}) {
          rows.index(tree);
          std::vector<std::vector<Neighbour>> found(50);
          rows.search(
              points, std::nullopt, 50, 7, false, exec::CoreBudget::current(),
              [&](std::size_t i, std::span<const Neighbour> neighbours, std::span<const double>) {
                found[i].assign(neighbours.begin(), neighbours.end());
              });
          for (std::size_t i = 0; i < 50; ++i) {
            const std::vector<Neighbour> expected = nearest(x, points, i, 7, p);
            for (std::size_t k = 0; k < 7; ++k) {
              ASSERT_EQ(found[i][k].row, expected[k].row) << cols << " " << p << " " << tree;
              ASSERT_EQ(found[i][k].distance, expected[k].distance);
            }
          }
        }
      }
    }
  }
}

TEST(NeighbourRows, AreThoseOfThePlainSearchWhereSinglePrecisionEnds) {
  // Columns of very different sizes and places, rows that are far off, and points that are farther.
  for (const double unit : {1.0, 1e-140, 1e120}) {
    data::Matrix x = grid(1500, 18, 1, 0);
    data::Matrix points = grid(40, 18, 2, 0);
    for (std::size_t j = 0; j < 18; ++j) {
      const double size = unit * (j == 3 ? 1e12 : j == 4 ? 1e-12 : 1.0);
      const double place = unit * (j == 5 ? 1e9 : 0.0);
      const auto move = [&](double& value) { value = j == 6 ? unit : value * size + place; };
      std::ranges::for_each(x.writable_column(j), move);
      std::ranges::for_each(points.writable_column(j), move);
    }
    x.writable_column(0)[700] = 1e15 * unit;
    points.writable_column(0)[7] = 1e25 * unit;
    const std::vector<double> y(1500, 0.0);
    internal::NeighbourRows rows({.x = x, .y = y}, 2);
    rows.index(false);
    rows.search(points, std::nullopt, 40, 5, false, exec::CoreBudget::current(),
                [&](std::size_t i, std::span<const Neighbour> found, std::span<const double>) {
                  const std::vector<Neighbour> expected = nearest(x, points, i, 5, 2);
                  for (std::size_t k = 0; k < 5; ++k) {
                    EXPECT_EQ(found[k].row, expected[k].row) << unit << " " << i;
                    EXPECT_EQ(found[k].distance, expected[k].distance);
                  }
                });
  }
}

TEST(DistanceKernels, LeaveOutOnlyWhatIsNotBelowTheLimit) {
  core::RandomStream stream({4});
  for (std::size_t cols = 1; cols < 30; ++cols) {
    const std::size_t panels = 1 + stream.below(5);
    std::vector<float> values(panels * internal::kPanelRows * (cols + 1));
    std::vector<float> points(cols * internal::kPanelPoints);
    std::vector<float> limits(internal::kPanelPoints);
    for (auto* all : {&values, &points, &limits}) {
      for (float& value : *all) value = static_cast<float>(stream.below(7)) - 3.0F;  // no rounding
    }
    points[0] = std::numeric_limits<float>::quiet_NaN();  // a sum that is none is not left out
    for (const core::InstructionSet set :
         {core::InstructionSet::kBaseline, core::InstructionSet::kAvx2,
          core::InstructionSet::kAvx512}) {
      if (set > core::instruction_set()) continue;
      std::vector<std::uint32_t> masks(panels * internal::kPanelPoints);
      internal::distance_kernels(set).below(values.data(), panels, cols, points.data(),
                                            limits.data(), masks.data());
      for (std::size_t panel = 0; panel < panels; ++panel) {
        const float* own = values.data() + panel * internal::kPanelRows * (cols + 1);
        for (std::size_t i = 0; i < internal::kPanelRows; ++i) {
          for (std::size_t q = 0; q < internal::kPanelPoints; ++q) {
            float sum = own[i];
            for (std::size_t j = 0; j < cols; ++j) {
              sum +=
                  own[(j + 1) * internal::kPanelRows + i] * points[j * internal::kPanelPoints + q];
            }
            ASSERT_EQ(masks[panel * internal::kPanelPoints + q] >> i & 1,
                      sum >= limits[q] ? 0u : 1u);
          }
        }
      }
    }
  }
}

TEST(DistanceKernels, GiveTheSameBytesOnEveryInstructionSet) {
  core::RandomStream stream({3});
  for (int round = 0; round < 100; ++round) {
    const std::size_t cols = 1 + stream.below(30);
    const std::size_t rows = 1 + stream.below(100);
    std::vector<double> columns(cols * rows);
    std::vector<double> point(cols);
    for (double& value : columns) value = test::normal(stream);
    for (double& value : point) value = test::normal(stream);
    for (const int p : {1, 2}) {
      std::vector<double> expected(rows, 0.0);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) {
          const double off = columns[j * rows + i] - point[j];
          expected[i] += p == 2 ? off * off : std::abs(off);
        }
      }
      for (const core::InstructionSet set :
           {core::InstructionSet::kBaseline, core::InstructionSet::kAvx2,
            core::InstructionSet::kAvx512}) {
        if (set > core::instruction_set()) continue;
        std::vector<double> found(rows);
        internal::distance_kernels(set).distances(columns.data(), rows, cols, rows, point.data(), p,
                                                  found.data());
        EXPECT_EQ(found, expected);
      }
    }
  }
}

const std::vector<double> kX = {0.0, 1.0, 3.0, 7.0};
const data::MatrixView kView{.data = kX.data(), .rows = 4, .cols = 1, .column_stride = 4};
const std::vector<double> kPoint = {0.5};
const data::MatrixView kOnePoint{.data = kPoint.data(), .rows = 1, .cols = 1, .column_stride = 1};

TEST(KNeighborsRegressor, PredictsTheMeanOfTheNearest) {
  KNeighborsRegressor model({.n_neighbors = 3});
  const std::vector<double> y = {1.0, 2.0, 6.0, 100.0};
  model.fit(kView, y);
  EXPECT_NEAR(model.predict(kOnePoint)[0], 3.0, 1e-15);
}

TEST(KNeighborsRegressor, CountsNearOnesMoreWhenAsked) {
  const std::vector<double> y = {1.0, 2.0, 6.0, 100.0};
  KNeighborsRegressor model({.n_neighbors = 3, .weights = "distance"});
  model.fit(kView, y);
  EXPECT_NEAR(model.predict(kOnePoint)[0], (2.0 * 1.0 + 2.0 * 2.0 + 0.4 * 6.0) / 4.4, 1e-14);
  EXPECT_EQ(model.predict(kView), y);  // at distance 0 a row is alone
}

TEST(KNeighborsRegressor, MultipliesWithTheWeightsOfRows) {
  const std::vector<double> y = {1.0, 2.0, 6.0, 100.0};
  const std::vector<double> weights = {3.0, 1.0, 0.0, 1.0};
  KNeighborsRegressor model({.n_neighbors = 2});
  model.fit({.x = kView, .y = y, .sample_weight = weights}, {});
  EXPECT_NEAR(model.predict(kOnePoint)[0], 1.25, 1e-15);
  EXPECT_NEAR(model.predict(kView)[3], 51.0, 1e-13);  // without the third row
}

TEST(KNeighborsClassifier, GivesTheSharesOfTheNearest) {
  KNeighborsClassifier model({.n_neighbors = 3});
  const std::vector<double> classes = {0.0, 2.0, 2.0, 1.0};
  model.fit(kView, classes);
  const std::vector<double> shares = model.predict_proba(kOnePoint);
  EXPECT_NEAR(shares[0], 1.0 / 3.0, 1e-15);
  EXPECT_EQ(shares[1], 0.0);
  EXPECT_NEAR(shares[2], 2.0 / 3.0, 1e-15);
  EXPECT_EQ(model.predict(kOnePoint)[0], 2.0);
}

TEST(KNeighbors, OfEquallyFarRowsTakesTheEarlier) {
  const data::Matrix x(200, 2);  // all rows are one point
  std::vector<double> y(200);
  for (std::size_t i = 0; i < 200; ++i) y[i] = static_cast<double>(i);
  KNeighborsRegressor model({.n_neighbors = 4});
  model.fit(x, y);
  EXPECT_NEAR(model.predict(x, std::vector<std::uint32_t>{150})[0], 1.5, 1e-14);
}

TEST(KNeighbors, RefusesMoreNeighboursThanRows) {
  KNeighborsRegressor model;
  try {
    model.fit(kView, std::vector<double>(4, 1.0));
    FAIL();
  } catch (const core::InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "k_neighbors.n_neighbors is 5, but there are 4 rows");
  }
  EXPECT_THROW(KNeighborsRegressor({.p = 3}), core::InvalidArgument);
}

TEST(KNeighbors, SaysWhichValueItCannotUse) {
  const std::vector<double> y(4, 1.0);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1e308}) {
    std::vector<double> x = kX;
    x[2] = bad;
    const data::MatrixView view{.data = x.data(), .rows = 4, .cols = 1, .column_stride = 4};
    KNeighborsRegressor model({.n_neighbors = 1});
    const std::string what = std::isnan(bad)
                                 ? "column 0 has no value in row 2"
                                 : "column 0 has a value too large for distances in row 2";
    try {
      model.fit(view, y);
      FAIL();
    } catch (const core::InvalidInput& error) {
      EXPECT_EQ(error.what(), what);
    }
    model.fit(kView, y);
    try {
      model.predict(view);
      FAIL();
    } catch (const core::InvalidInput& error) {
      EXPECT_EQ(error.what(), what + " of what is to be predicted");
    }
  }
}

}  // namespace
}  // namespace mutirao::models
