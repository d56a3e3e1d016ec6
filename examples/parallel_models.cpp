// Three models are trained at the same time, each in a process of its own.

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

#include "mutirao/core/random.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"

using namespace mutirao;

namespace {

/// Friedman's first function (1991) with some noise: 10 columns, of which 5 matter.
void fill(data::Matrix& x, core::SharedArray<double>& y) {
  core::RandomStream random({42});
  for (std::size_t j = 0; j < x.cols(); ++j) {
    for (double& value : x.writable_column(j)) value = random.uniform();
  }
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const auto at = [&](std::size_t j) { return x.view()(i, j); };
    y.writable()[i] = 10 * std::sin(3.14159265 * at(0) * at(1)) +
                      20 * (at(2) - 0.5) * (at(2) - 0.5) + 10 * at(3) + 5 * at(4) +
                      random.uniform();
  }
}

/// Runs in a worker process; the table is not copied on its way there.
std::string train(const std::string& name, const data::Matrix& x,
                  const core::SharedArray<double>& y) {
  const auto model = models::make_estimator(name);
  model->fit(x, y.span());
  const double r2 = models::r2_score(y.span(), model->predict(x));
  return models::find_estimator(name).class_name + " treinado no processo " +
         std::to_string(getpid()) + ", r2 = " + std::to_string(r2);
}

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  data::Matrix x(5000, 10);
  core::SharedArray<double> y(5000);
  fill(x, y);

  exec::ProcessExecutor processes({.workers = 3});
  std::vector<exec::Future<std::string>> models;
  for (const char* name : {"linear_regression", "decision_tree", "random_forest"})
    models.push_back(processes.submit(train, std::string(name), x, y));
  for (auto& model : models) std::cout << model.get() << std::endl;

  std::cout << "Todos os modelos foram treinados em paralelo." << std::endl;
}
