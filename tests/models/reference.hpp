#pragma once

// What the tests of models share: stored results of scikit-learn, and tables made on the spot.

#include <cmath>
#include <cstdint>
#include <fstream>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mutirao/core/random.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"

namespace mutirao::models::test {

inline nlohmann::json reference(const std::string& name) {
  std::ifstream stream(std::string(MUTIRAO_TEST_DATA) + "/models/" + name);
  return nlohmann::json::parse(stream);
}

inline std::vector<double> numbers_of(const nlohmann::json& values) {
  return values.get<std::vector<double>>();
}

inline data::Matrix matrix_of(const nlohmann::json& columns) {
  data::Matrix x(columns[0].size(), columns.size());
  for (std::size_t j = 0; j < x.cols(); ++j) {
    const std::vector<double> column = numbers_of(columns[j]);
    std::copy(column.begin(), column.end(), x.writable_column(j).begin());
  }
  return x;
}

/// As many cores as the test says while this lives, whatever the machine has.
class Cores {
 public:
  explicit Cores(std::size_t cores) : before_(exec::CoreBudget::current().cores()) {
    exec::CoreBudget::current().limit(cores);
  }
  ~Cores() { exec::CoreBudget::current().limit(before_); }
  Cores(const Cores&) = delete;
  Cores& operator=(const Cores&) = delete;

 private:
  std::size_t before_;
};

struct Problem {
  data::Matrix x;
  std::vector<double> y;
};

inline double normal(core::RandomStream& stream) {
  return std::sqrt(-2.0 * std::log(1.0 - stream.uniform())) *
         std::cos(2.0 * std::numbers::pi * stream.uniform());
}

/// Friedman #1 on normal columns, plus noise.
inline Problem friedman(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  core::RandomStream stream({seed});
  Problem problem{data::Matrix(rows, cols), std::vector<double>(rows)};
  for (std::size_t j = 0; j < cols; ++j) {
    for (double& value : problem.x.writable_column(j)) value = normal(stream);
  }
  const auto at = [&](std::size_t i, std::size_t j) {
    return j < cols ? problem.x.view()(i, j) : 0.0;
  };
  for (std::size_t i = 0; i < rows; ++i) {
    problem.y[i] = 10.0 * std::sin(std::numbers::pi * at(i, 0) * at(i, 1)) +
                   20.0 * (at(i, 2) - 0.5) * (at(i, 2) - 0.5) + 10.0 * at(i, 3) + 5.0 * at(i, 4) +
                   normal(stream);
  }
  return problem;
}

inline Problem take(const Problem& problem, std::span<const std::uint32_t> rows) {
  Problem part{data::Matrix(rows.size(), problem.x.cols()), {}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < problem.x.cols(); ++j)
      part.x.writable_column(j)[i] = problem.x.view()(rows[i], j);
    part.y.push_back(problem.y[rows[i]]);
  }
  return part;
}

}  // namespace mutirao::models::test
