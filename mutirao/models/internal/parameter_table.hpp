#pragma once

// The parameters of one estimator: how each is described, read and written. One table serves the
// registry, `mutirao models` and model files.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/parameters.hpp"
#include "mutirao/models/random_forest.hpp"

namespace mutirao::models::internal {

template <class Options>
struct Parameter {
  ParameterInfo info;
  /// Throws core::InvalidArgument, whose message says what the text is not: "is not an integer".
  std::function<void(Options&, const std::string&)> set;
  std::function<std::string(const Options&)> get;
};

const std::vector<Parameter<LinearRegressionOptions>>& linear_regression_parameters();
const std::vector<Parameter<TreeOptions>>& decision_tree_parameters();
const std::vector<Parameter<TreeOptions>>& decision_tree_classifier_parameters();
const std::vector<Parameter<RandomForestOptions>>& random_forest_parameters();
const std::vector<Parameter<RandomForestOptions>>& random_forest_classifier_parameters();
const std::vector<Parameter<ExtraTreesOptions>>& extra_trees_parameters();
const std::vector<Parameter<ExtraTreesOptions>>& extra_trees_classifier_parameters();

/// Parameters that scikit-learn has and we do not: name -> why, and what to do.
const std::map<std::string, std::string>& not_offered();

template <class Options>
ParameterMap write_parameters(const std::vector<Parameter<Options>>& table,
                              const Options& options) {
  ParameterMap map;
  for (const Parameter<Options>& parameter : table)
    map[parameter.info.name] = parameter.get(options);
  return map;
}

/// Throws core::InvalidArgument for a name or a value that cannot be used.
[[noreturn]] void throw_unknown_parameter(std::string_view estimator, const std::string& name,
                                          const std::vector<std::string>& known);
[[noreturn]] void throw_bad_value(std::string_view estimator, const ParameterInfo& parameter,
                                  const std::string& value, const std::string& complaint);

template <class Options>
Options read_parameters(std::string_view estimator, const std::vector<Parameter<Options>>& table,
                        const ParameterMap& map) {
  Options options;
  for (const auto& [name, value] : map) {
    const Parameter<Options>* found = nullptr;
    std::vector<std::string> known;
    for (const Parameter<Options>& parameter : table) {
      known.push_back(parameter.info.name);
      if (parameter.info.name == name) found = &parameter;
    }
    if (found == nullptr) throw_unknown_parameter(estimator, name, known);
    try {
      found->set(options, value);
    } catch (const core::InvalidArgument& error) {
      throw_bad_value(estimator, found->info, value, error.what());
    }
  }
  return options;
}

template <class Options>
std::vector<ParameterInfo> infos_of(const std::vector<Parameter<Options>>& table) {
  std::vector<ParameterInfo> infos;
  for (const Parameter<Options>& parameter : table) infos.push_back(parameter.info);
  return infos;
}

}  // namespace mutirao::models::internal
