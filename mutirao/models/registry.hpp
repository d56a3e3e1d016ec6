#pragma once

// The estimators by name.
//
// Purpose: what --models and --set choose from, and what a model file names. One name may stand for
// two estimators, one per task: "decision_tree" is DecisionTreeRegressor or DecisionTreeClassifier.
// Guarantees: whatever is listed works. Thread safety: immutable. Failure: core::InvalidArgument
// for an unknown estimator, parameter or value, with a suggestion; the message names the culprit.
//
//   auto forest = make_estimator("random_forest", {{"n_estimators", "500"}});

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/parameters.hpp"

namespace mutirao::models {

struct EstimatorInfo {
  std::string name;        ///< "random_forest"
  std::string class_name;  ///< "RandomForestRegressor"
  data::Task task = data::Task::kRegression;
  std::string doc;                                   ///< one line
  data::Encoding encoding = data::Encoding::kCodes;  ///< what its columns are made of
  bool uses_ranks = false;                           ///< whether TrainingSet::ranked saves it work
  bool uses_threads = false;                         ///< whether its fit takes more than one core
  bool by_default = true;                            ///< whether it is trained when none is named
  /// Work of a fit on n rows and p columns in some unit: larger is longer. To start the long first.
  double (*work)(double n, double p) = nullptr;
  std::vector<ParameterInfo> parameters;
  /// Unfitted; parameters that are not given have their defaults.
  std::unique_ptr<Estimator> (*make)(const ParameterMap& parameters) = nullptr;
};

/// In the order in which a leaderboard lists equals.
const std::vector<EstimatorInfo>& estimators();
/// Throws when no estimator has the name, or none for the task.
const EstimatorInfo& find_estimator(std::string_view name,
                                    data::Task task = data::Task::kRegression);
/// Whether an estimator of that name is there for the task; throws when none has the name.
bool has_estimator(std::string_view name, data::Task task);

/// An estimator that is not fitted; parameters that are not given have their defaults.
std::unique_ptr<Estimator> make_estimator(std::string_view name,
                                          const ParameterMap& parameters = {},
                                          data::Task task = data::Task::kRegression);

/// The parameters of "random_forest.n_estimators=500,max_features=3", by estimator; adds to `into`.
/// Names and values are checked: those that are right for one task of the estimator pass.
void parse_setting(std::string_view text, std::map<std::string, ParameterMap>& into);

}  // namespace mutirao::models
