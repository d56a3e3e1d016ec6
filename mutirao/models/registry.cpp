#include "mutirao/models/registry.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/internal/boosting_parameters.hpp"
#include "mutirao/models/internal/dummy_parameters.hpp"
#include "mutirao/models/internal/linear_parameters.hpp"
#include "mutirao/models/internal/logistic_parameters.hpp"
#include "mutirao/models/internal/neighbours_parameters.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/xgboost.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/random_forest.hpp"

namespace mutirao::models {
namespace {

double tree_work(double n, double p) { return n * p * std::log2(n + 2.0); }

/// How the registry makes an estimator whose parameters one table describes.
template <class T, const std::vector<internal::Parameter<typename T::Options>>& (*table)()>
std::unique_ptr<Estimator> make(const ParameterMap& parameters) {
  return std::make_unique<T>(internal::read_parameters(T::kName, table(), parameters));
}

enum class Threads : bool { kOne, kMany };

/// An entry whose parameters one table describes. Not trained by default.
template <class T, const std::vector<internal::Parameter<typename T::Options>>& (*table)()>
EstimatorInfo entry(data::Task task, const char* class_name, const char* doc,
                    data::Encoding encoding, Threads threads, double (*work)(double, double)) {
  return {.name = std::string(T::kName),
          .class_name = class_name,
          .task = task,
          .doc = doc,
          .encoding = encoding,
          .uses_threads = threads == Threads::kMany,
          .by_default = false,
          .work = work,
          .parameters = internal::infos_of(table()),
          .make = make<T, table>};
}

EstimatorInfo by_default(EstimatorInfo info) {
  info.by_default = true;
  return info;
}

double gram_work(double n, double p) { return n * p * (p + 10.0) / 16.0; }
double newton_work(double n, double p) { return 10.0 * gram_work(n, p); }
double distance_work(double n, double p) { return n * n * p / 64.0; }
double boosting_work(double n, double p) { return 10.0 * n * p; }
double rows_only(double n, double /*p*/) { return n; }

std::vector<EstimatorInfo> make_estimators() {
  using data::Encoding;
  using enum data::Task;
  using namespace internal;
  return {
      {.name = "linear_regression",
       .class_name = "LinearRegression",
       .task = data::Task::kRegression,
       .doc = "ordinary least squares",
       .encoding = data::Encoding::kOneHot,
       .uses_ranks = false,
       .uses_threads = true,
       .work = gram_work,
       .parameters = internal::infos_of(internal::linear_regression_parameters()),
       .make = make<LinearRegression, internal::linear_regression_parameters>},
      entry<Ridge, ridge_parameters>(kRegression, "Ridge",
                                     "least squares with a penalty on squared coefficients",
                                     Encoding::kStandardized, Threads::kMany, gram_work),
      entry<Lasso, lasso_parameters>(kRegression, "Lasso",
                                     "least squares with a penalty that makes coefficients 0",
                                     Encoding::kStandardized, Threads::kMany, gram_work),
      entry<ElasticNet, elastic_net_parameters>(kRegression, "ElasticNet",
                                                "least squares with the penalties of both",
                                                Encoding::kStandardized, Threads::kMany, gram_work),
      by_default(entry<LogisticRegression, logistic_regression_parameters>(
          kClassification, "LogisticRegression", "linear scores of classes, with a penalty",
          Encoding::kStandardized, Threads::kMany, newton_work)),
      {.name = "decision_tree",
       .class_name = "DecisionTreeRegressor",
       .task = data::Task::kRegression,
       .doc = "one regression tree, fully grown unless limited",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = true,
       .uses_threads = true,
       .work = tree_work,
       .parameters = internal::infos_of(internal::decision_tree_parameters()),
       .make = make<DecisionTreeRegressor, internal::decision_tree_parameters>},
      {.name = "random_forest",
       .class_name = "RandomForestRegressor",
       .task = data::Task::kRegression,
       .doc = "the mean of many trees, each grown on rows drawn with replacement",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = true,
       .uses_threads = true,
       .work = [](double n, double p) { return 60.0 * tree_work(n, p); },
       .parameters = internal::infos_of(internal::random_forest_parameters()),
       .make = make<RandomForestRegressor, internal::random_forest_parameters>},
      {.name = "extra_trees",
       .class_name = "ExtraTreesRegressor",
       .task = data::Task::kRegression,
       .doc = "the mean of many trees whose thresholds are drawn at random",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = false,
       .uses_threads = true,
       .by_default = false,
       .work = [](double n, double p) { return 30.0 * tree_work(n, p); },
       .parameters = internal::infos_of(internal::extra_trees_parameters()),
       .make = make<ExtraTreesRegressor, internal::extra_trees_parameters>},
      {.name = "decision_tree",
       .class_name = "DecisionTreeClassifier",
       .task = data::Task::kClassification,
       .doc = "one classification tree, fully grown unless limited",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = true,
       .uses_threads = true,
       .work = tree_work,
       .parameters = internal::infos_of(internal::decision_tree_classifier_parameters()),
       .make = make<DecisionTreeClassifier, internal::decision_tree_classifier_parameters>},
      {.name = "random_forest",
       .class_name = "RandomForestClassifier",
       .task = data::Task::kClassification,
       .doc = "the mean of many trees, each grown on rows drawn with replacement",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = true,
       .uses_threads = true,
       .work = [](double n, double p) { return 60.0 * tree_work(n, std::sqrt(p)); },
       .parameters = internal::infos_of(internal::random_forest_classifier_parameters()),
       .make = make<RandomForestClassifier, internal::random_forest_classifier_parameters>},
      {.name = "extra_trees",
       .class_name = "ExtraTreesClassifier",
       .task = data::Task::kClassification,
       .doc = "the mean of many trees whose thresholds are drawn at random",
       .encoding = data::Encoding::kCodes,
       .uses_ranks = false,
       .uses_threads = true,
       .by_default = false,
       .work = [](double n, double p) { return 30.0 * tree_work(n, std::sqrt(p)); },
       .parameters = internal::infos_of(internal::extra_trees_classifier_parameters()),
       .make = make<ExtraTreesClassifier, internal::extra_trees_classifier_parameters>},
      entry<KNeighborsRegressor, k_neighbors_parameters>(
          kRegression, "KNeighborsRegressor", "the mean of the nearest training rows",
          Encoding::kStandardized, Threads::kMany, distance_work),
      entry<KNeighborsClassifier, k_neighbors_parameters>(
          kClassification, "KNeighborsClassifier", "the shares of classes in the nearest rows",
          Encoding::kStandardized, Threads::kMany, distance_work),
      by_default(entry<GradientBoostingRegressor, gradient_boosting_parameters>(
          kRegression, "GradientBoostingRegressor",
          "trees of XGBoost, each mending those before it", Encoding::kCodes, Threads::kOne,
          boosting_work)),
      by_default(entry<GradientBoostingClassifier, gradient_boosting_parameters>(
          kClassification, "GradientBoostingClassifier",
          "trees of XGBoost, each mending those before it", Encoding::kCodes, Threads::kOne,
          boosting_work)),
      entry<DummyRegressor, dummy_regressor_parameters>(
          kRegression, "DummyRegressor", "the mean or the median of the target for every row",
          Encoding::kCodes, Threads::kOne, rows_only),
      entry<DummyClassifier, dummy_classifier_parameters>(
          kClassification, "DummyClassifier", "the shares of the classes for every row",
          Encoding::kCodes, Threads::kOne, rows_only),
  };
}

}  // namespace

const std::vector<EstimatorInfo>& estimators() {
  static const std::vector<EstimatorInfo> all = [] {
    std::vector<EstimatorInfo> made = make_estimators();
    if (!internal::built_with_xgboost()) {
      std::erase_if(made, [](const EstimatorInfo& info) {
        return info.name == GradientBoostingRegressor::kName;
      });
    }
    return made;
  }();
  return all;
}

namespace {

[[noreturn]] void throw_unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const EstimatorInfo& info : estimators()) {
    if (std::find(names.begin(), names.end(), info.name) == names.end()) names.push_back(info.name);
  }
  throw core::InvalidArgument(fmt::format("there is no model '{}'", name),
                              core::suggestion(name, names));
}

}  // namespace

const EstimatorInfo& find_estimator(std::string_view name, data::Task task) {
  const EstimatorInfo* other = nullptr;
  for (const EstimatorInfo& info : estimators()) {
    if (info.name != name) continue;
    if (info.task == task) return info;
    other = &info;
  }
  if (other == nullptr) throw_unknown(name);
  throw core::InvalidArgument(
      fmt::format("the model '{}' is for {} only", name, data::name_of(other->task)),
      fmt::format("this is {}: choose other --models, or say --task {}", data::name_of(task),
                  data::name_of(other->task)));
}

bool has_estimator(std::string_view name, data::Task task) {
  bool exists = false;
  for (const EstimatorInfo& info : estimators()) {
    if (info.name != name) continue;
    if (info.task == task) return true;
    exists = true;
  }
  if (!exists) throw_unknown(name);
  return false;
}

std::unique_ptr<Estimator> make_estimator(std::string_view name, const ParameterMap& parameters,
                                          data::Task task) {
  return find_estimator(name, task).make(parameters);
}

void parse_setting(std::string_view text, std::map<std::string, ParameterMap>& into) {
  const std::string hint = "write it as random_forest.n_estimators=500,max_features=3";
  const std::size_t dot = text.find('.');
  const std::size_t first_equals = text.find('=');
  if (dot == std::string_view::npos || first_equals < dot)
    throw core::InvalidArgument(fmt::format("'{}' names no model and parameter", text), hint);
  const std::string name(text.substr(0, dot));
  const bool regression = has_estimator(name, data::Task::kRegression);
  const bool classification = has_estimator(name, data::Task::kClassification);
  if (dot + 1 == text.size())
    throw core::InvalidArgument(fmt::format("'{}' names no parameter", text), hint);
  ParameterMap parameters = into[name];
  for (std::string_view rest = text.substr(dot + 1); !rest.empty();) {
    const std::size_t comma = rest.find(',');
    const std::string_view setting = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const std::size_t equals = setting.find('=');
    if (equals == std::string_view::npos || equals == 0)
      throw core::InvalidArgument(fmt::format("'{}' in '{}' gives no value", setting, text), hint);
    parameters[std::string(setting.substr(0, equals))] = std::string(setting.substr(equals + 1));
  }
  // Also says what is wrong with a value.
  try {
    make_estimator(name, parameters,
                   regression ? data::Task::kRegression : data::Task::kClassification);
  } catch (const core::InvalidArgument&) {
    if (!regression || !classification) throw;
    make_estimator(name, parameters, data::Task::kClassification);
  }
  into[name] = std::move(parameters);
}

}  // namespace mutirao::models
