#include "mutirao/models/internal/parameter_table.hpp"

#include <optional>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/models/internal/parameter_text.hpp"

namespace mutirao::models::internal {
namespace {

template <class Options>
Parameter<Options> of_each_tree(const Parameter<TreeOptions>& parameter) {
  return {
      parameter.info,
      [set = parameter.set](Options& options, const std::string& text) { set(options.tree, text); },
      [get = parameter.get](const Options& options) { return get(options.tree); }};
}

std::vector<Parameter<TreeOptions>> make_tree_parameters(bool classes, bool forest) {
  using Text = const std::string&;
  std::vector<Parameter<TreeOptions>> all = {
      {{"criterion", "text", classes ? "gini" : "squared_error",
        classes ? "gini, entropy or log_loss (another name of entropy)" : "squared_error",
        classes ? "what a split makes smaller: the impurity"
                : "what a split makes smaller: the squared error"},
       [](TreeOptions& o, Text t) { o.criterion = t; },
       [](const TreeOptions& o) { return o.criterion; }},
      {{"max_depth", "integer or none", "none", "at least 1", "levels of splits at most"},
       [](TreeOptions& o, Text t) { o.max_depth = to_integer_or_none(t); },
       [](const TreeOptions& o) { return text_or_none(o.max_depth); }},
      {{"min_samples_split", "integer or fraction", "2", "at least 2, or above 0.0 up to 1.0",
        "rows that a node must have to be split"},
       [](TreeOptions& o, Text t) { o.min_samples_split = to_count_or_fraction(t); },
       [](const TreeOptions& o) { return text_of(o.min_samples_split); }},
      {{"min_samples_leaf", "integer or fraction", "1", "at least 1, or above 0.0 and below 1.0",
        "rows that a leaf must have"},
       [](TreeOptions& o, Text t) { o.min_samples_leaf = to_count_or_fraction(t); },
       [](const TreeOptions& o) { return text_of(o.min_samples_leaf); }},
      {{"min_weight_fraction_leaf", "number", "0.0", "0 to 0.5",
        "share of the weight of all rows that a leaf must have"},
       [](TreeOptions& o, Text t) { o.min_weight_fraction_leaf = to_real(t); },
       [](const TreeOptions& o) { return text_of(o.min_weight_fraction_leaf); }},
      {{"max_features", "integer, fraction, sqrt, log2 or none",
        classes && forest ? "sqrt" : "none", "at least 1, or above 0.0 up to 1.0",
        "features that are looked at for each split"},
       [](TreeOptions& o, Text t) { o.max_features = to_max_features(t); },
       [](const TreeOptions& o) { return text_of(o.max_features); }},
      {{"max_leaf_nodes", "integer or none", "none", "at least 2",
        "leaves at most; the split that gains most comes first"},
       [](TreeOptions& o, Text t) { o.max_leaf_nodes = to_integer_or_none(t); },
       [](const TreeOptions& o) { return text_or_none(o.max_leaf_nodes); }},
      {{"min_impurity_decrease", "number", "0.0", "at least 0",
        classes ? "fall of the impurity that a split must bring"
                : "fall of the mean squared error that a split must bring"},
       [](TreeOptions& o, Text t) { o.min_impurity_decrease = to_real(t); },
       [](const TreeOptions& o) { return text_of(o.min_impurity_decrease); }},
      {{"ccp_alpha", "number", "0.0", "at least 0",
        classes ? "impurity that a leaf must save not to be pruned"
                : "mean squared error that a leaf must save not to be pruned"},
       [](TreeOptions& o, Text t) { o.ccp_alpha = to_real(t); },
       [](const TreeOptions& o) { return text_of(o.ccp_alpha); }},
  };
  if (classes) {
    all.push_back({{"class_weight", "text", "none",
                    forest ? "none, balanced or balanced_subsample" : "none or balanced",
                    "whether every class has the same weight, whatever its number of rows"},
                   [](TreeOptions& o, Text t) { o.class_weight = is_none(t) ? "none" : t; },
                   [](const TreeOptions& o) { return o.class_weight; }});
  }
  return all;
}

template <class Options>
std::vector<Parameter<Options>> make_forest_parameters(bool classes) {
  using Text = const std::string&;
  std::vector<Parameter<Options>> all = {
      {{"n_estimators", "integer", "100", "at least 1", "trees"},
       [](Options& o, Text t) { o.n_estimators = to_integer(t); },
       [](const Options& o) { return text_of(o.n_estimators); }},
      {{"bootstrap", "true or false", text_of(Options{}.bootstrap), "",
        "whether each tree sees rows drawn with replacement, or all rows"},
       [](Options& o, Text t) { o.bootstrap = to_bool(t); },
       [](const Options& o) { return text_of(o.bootstrap); }},
      {{"max_samples", "integer, fraction or none", "none",
        "at least 1, or above 0.0 up to 1.0; needs bootstrap", "rows drawn for each tree"},
       [](Options& o, Text t) {
         o.max_samples = is_none(t) ? std::nullopt : std::optional(to_count_or_fraction(t));
       },
       [](const Options& o) { return text_or_none(o.max_samples); }},
      {{"oob_score", "true or false", "false", "needs bootstrap",
        "whether rows are predicted by the trees that did not see them"},
       [](Options& o, Text t) { o.oob_score = to_bool(t); },
       [](const Options& o) { return text_of(o.oob_score); }},
  };
  for (const Parameter<TreeOptions>& parameter : make_tree_parameters(classes, true))
    all.push_back(of_each_tree<Options>(parameter));
  return all;
}

}  // namespace

const std::vector<Parameter<LinearRegressionOptions>>& linear_regression_parameters() {
  static const std::vector<Parameter<LinearRegressionOptions>> all = {
      {{"fit_intercept", "true or false", "true", "", "whether a constant is added to the model"},
       [](LinearRegressionOptions& o, const std::string& t) { o.fit_intercept = to_bool(t); },
       [](const LinearRegressionOptions& o) { return text_of(o.fit_intercept); }},
  };
  return all;
}

const std::vector<Parameter<TreeOptions>>& decision_tree_parameters() {
  static const std::vector<Parameter<TreeOptions>> all = make_tree_parameters(false, false);
  return all;
}

const std::vector<Parameter<TreeOptions>>& decision_tree_classifier_parameters() {
  static const std::vector<Parameter<TreeOptions>> all = make_tree_parameters(true, false);
  return all;
}

const std::vector<Parameter<RandomForestOptions>>& random_forest_parameters() {
  static const auto all = make_forest_parameters<RandomForestOptions>(false);
  return all;
}

const std::vector<Parameter<RandomForestOptions>>& random_forest_classifier_parameters() {
  static const auto all = make_forest_parameters<RandomForestOptions>(true);
  return all;
}

const std::vector<Parameter<ExtraTreesOptions>>& extra_trees_parameters() {
  static const auto all = make_forest_parameters<ExtraTreesOptions>(false);
  return all;
}

const std::vector<Parameter<ExtraTreesOptions>>& extra_trees_classifier_parameters() {
  static const auto all = make_forest_parameters<ExtraTreesOptions>(true);
  return all;
}

const std::map<std::string, std::string>& not_offered() {
  static const std::map<std::string, std::string> all = {
      {"copy_X", "the data is never changed; leave it out"},
      {"n_jobs", "the number of cores is a matter of the whole program; use --cores"},
      {"positive", "coefficients cannot be kept positive; leave it out"},
      {"random_state", "the seed belongs to the whole run; use --seed"},
      {"precompute", "products of columns are always made once; leave it out"},
      {"selection", "coefficients are always visited in order; leave it out"},
      {"solver", "the solver is chosen by the data; leave it out"},
      {"splitter", "the best split is always taken; extra_trees draws thresholds"},
      {"verbose", "progress is always shown; leave it out"},
      {"warm_start", "a run always starts anew; leave it out"},
  };
  return all;
}

void throw_unknown_parameter(std::string_view estimator, const std::string& name,
                             const std::vector<std::string>& known) {
  const auto reason = not_offered().find(name);
  if (reason != not_offered().end()) {
    throw core::InvalidArgument(fmt::format("{}.{} is not offered", estimator, name),
                                reason->second);
  }
  throw core::InvalidArgument(fmt::format("{} has no parameter '{}'", estimator, name),
                              core::suggestion(name, known));
}

void throw_bad_value(std::string_view estimator, const ParameterInfo& parameter,
                     const std::string& value, const std::string& complaint) {
  throw core::InvalidArgument(
      fmt::format("{}.{}: '{}' {}", estimator, parameter.name, value, complaint),
      fmt::format("{} takes: {}{}{}", parameter.name, parameter.type,
                  parameter.range.empty() ? "" : ", ", parameter.range));
}

}  // namespace mutirao::models::internal
