// Estimators in a program of one's own: on Eigen matrices, on plain vectors, and by name.

#include <cmath>
#include <iomanip>
#include <iostream>
#include <vector>

#include <Eigen/Core>

#include "mutirao/data/eigen_view.hpp"
#include "mutirao/models/logistic_regression.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/models/ridge.hpp"

using namespace mutirao;

int main() {
  // Eigen: 200 rows, 3 columns; y = 2 a - b + 5, and a wave.
  Eigen::MatrixXd x(200, 3);
  Eigen::VectorXd y(200);
  for (int i = 0; i < 200; ++i) {
    x.row(i) << i % 7, i % 11, i % 13;
    y(i) = 2.0 * x(i, 0) - x(i, 1) + 5.0 + 0.1 * std::sin(i);
  }
  models::Ridge ridge({.alpha = 0.1});
  ridge.fit(data::view_of(x), data::span_of(y));
  std::cout << std::fixed << std::setprecision(2) << "ridge: " << ridge.coefficients()[0] << " a + "
            << ridge.coefficients()[1] << " b + " << ridge.intercept() << "\n";

  // Plain vectors: two columns, one behind the other; the class says whether their sum is above 9.
  std::vector<double> columns(2 * 100);
  std::vector<double> classes(100);
  for (std::size_t i = 0; i < 100; ++i) {
    columns[i] = static_cast<double>(i % 10);
    columns[100 + i] = static_cast<double>(i / 10);
    classes[i] = columns[i] + columns[100 + i] > 9.0 ? 1.0 : 0.0;
  }
  const data::MatrixView table{
      .data = columns.data(), .rows = 100, .cols = 2, .column_stride = 100};
  models::LogisticRegression logistic({.C = 100.0});
  logistic.fit(table, classes);
  const std::vector<double> probabilities = logistic.predict_proba(table);
  std::cout << "probability of class 1 where both are 9: " << probabilities[2 * 99 + 1] << "\n";

  // By name, with parameters as people write them, and with one weight per row.
  const std::vector<double> weights(100, 1.0);
  const auto forest = models::make_estimator("random_forest", {{"n_estimators", "20"}});
  forest->fit({.x = data::view_of(x), .y = data::span_of(y)}, {.seed = 7});
  const auto neighbours =
      models::make_estimator("k_neighbors", {{"n_neighbors", "3"}}, data::Task::kClassification);
  neighbours->fit({.x = table, .y = classes, .sample_weight = weights}, {});
  const bool good = models::r2_score(data::span_of(y), forest->predict(data::view_of(x))) > 0.95 &&
                    neighbours->predict(table)[99] == 1.0;
  std::cout << (good ? "all models have learned" : "a model has not learned") << "\n";
}
