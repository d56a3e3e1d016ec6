// Convex models reach the least objective that scikit-learn reaches, on six real tables.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/models/elastic_net.hpp"
#include "mutirao/models/logistic_regression.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/models/ridge.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

constexpr double kRelative = 1e-6;

data::Matrix standardised(const data::Matrix& raw) {
  data::Matrix x(raw.rows(), raw.cols());
  const auto n = static_cast<double>(raw.rows());
  for (std::size_t j = 0; j < raw.cols(); ++j) {
    double mean = 0.0;
    for (const double value : raw.column(j)) mean += value / n;
    double variance = 0.0;
    for (const double value : raw.column(j)) variance += (value - mean) * (value - mean) / n;
    const double scale = std::sqrt(variance);
    for (std::size_t i = 0; i < raw.rows(); ++i)
      x.writable_column(j)[i] = scale > 1e-12 ? (raw.column(j)[i] - mean) / scale : 0.0;
  }
  return x;
}

double number(const nlohmann::json& params, const char* name) {
  return std::stod(params.at(name).get<std::string>());
}

/// What Ridge, Lasso and ElasticNet minimise.
double objective_of(const LinearPredictor& model, const nlohmann::json& params,
                    const data::Matrix& x, const std::vector<double>& y,
                    const std::vector<double>& weights) {
  const std::vector<double> seen = model.predict(x);
  double squares = 0.0;
  double weight = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    squares += weights[i] * (y[i] - seen[i]) * (y[i] - seen[i]);
    weight += weights[i];
  }
  double sizes = 0.0;
  double square = 0.0;
  for (const double b : model.coefficients()) {
    sizes += std::abs(b);
    square += b * b;
  }
  const double alpha = number(params, "alpha");
  if (model.name() == "ridge") return squares + alpha * square;
  const double ratio = model.name() == "lasso" ? 1.0 : number(params, "l1_ratio");
  return squares / (2.0 * weight) + alpha * ratio * sizes + alpha * (1.0 - ratio) * square / 2.0;
}

/// What LogisticRegression minimises.
double objective_of(const LogisticRegression& model, const nlohmann::json& params,
                    const data::Matrix& x, const std::vector<double>& classes,
                    std::vector<double> weights) {
  const std::size_t k = model.n_classes();
  if (params.contains("class_weight")) {
    std::vector<double> rows(k, 0.0);
    for (const double c : classes) rows[static_cast<std::size_t>(c)] += 1.0;
    for (std::size_t i = 0; i < classes.size(); ++i)
      weights[i] *= static_cast<double>(classes.size()) /
                    (static_cast<double>(k) * rows[static_cast<std::size_t>(classes[i])]);
  }
  // From the scores, for probabilities near 1 say little about their distance from it.
  const data::MatrixView view = x;
  double loss = 0.0;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    std::vector<double> scores(k, 0.0);
    for (std::size_t r = 0; r < model.intercepts().size(); ++r) {
      double& score = scores[k == 2 ? 1 : r];
      score = model.intercepts()[r];
      for (std::size_t j = 0; j < x.cols(); ++j)
        score += model.coefficients()[r * x.cols() + j] * view(i, j);
    }
    const double top = *std::max_element(scores.begin(), scores.end());
    double sum = 0.0;
    for (const double score : scores) sum += std::exp(score - top);
    loss += weights[i] * (std::log(sum) + top - scores[static_cast<std::size_t>(classes[i])]);
  }
  double square = 0.0;
  for (const double b : model.coefficients()) square += b * b;
  return number(params, "C") * loss + square / 2.0;
}

TEST(Convex, ModelsReachTheObjectivesOfScikitLearn) {
  for (const nlohmann::json& table : test::reference("convex.json")) {
    SCOPED_TRACE(table["name"].get<std::string>());
    const data::Matrix x = standardised(test::matrix_of(table["x"]));
    const std::vector<double> y = test::numbers_of(table["y"]);
    const std::vector<double> classes = test::numbers_of(table["classes"]);
    for (const nlohmann::json& each : table["cases"]) {
      const std::string name = each["model"];
      const nlohmann::json& params = each["params"];
      SCOPED_TRACE(name + params.dump() + (each["weighted"].get<bool>() ? " weighted" : ""));
      const std::vector<double> weights = each["weighted"].get<bool>()
                                              ? test::numbers_of(table["weights"])
                                              : std::vector<double>(y.size(), 1.0);
      std::string warned;
      FitContext context;
      context.warn = [&](const std::string& message) { warned = message; };
      ParameterMap parameters;
      for (const auto& [key, value] : params.items()) parameters[key] = value;
      const double expected = each["objective"];
      double reached = 0.0;
      if (name == "logistic_regression") {
        const auto model = make_estimator(name, parameters, data::Task::kClassification);
        model->fit({.x = x, .y = classes, .sample_weight = weights}, context);
        reached = objective_of(dynamic_cast<const LogisticRegression&>(*model), params, x, classes,
                               weights);
      } else {
        const auto model = make_estimator(name, parameters);
        model->fit({.x = x, .y = y, .sample_weight = weights}, context);
        reached = objective_of(dynamic_cast<const LinearPredictor&>(*model), params, x, y, weights);
      }
      EXPECT_EQ(warned, "");
      EXPECT_NEAR(reached / expected, 1.0, kRelative);
    }
  }
}

}  // namespace
}  // namespace mutirao::models
