#include "mutirao/models/decision_tree.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/forest_fit.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/internal/tree_options.hpp"

namespace mutirao::models {
namespace internal {
namespace {

/// A fraction of the rows, rounded up as scikit-learn rounds it, or the count itself.
std::size_t rows_of(const CountOrFraction& value, std::size_t n_rows) {
  if (const auto* count = std::get_if<std::int64_t>(&value))
    return static_cast<std::size_t>(*count);
  return static_cast<std::size_t>(std::ceil(std::get<double>(value) * static_cast<double>(n_rows)));
}

}  // namespace

GrowthLimits limits_for(const TreeOptions& options, std::size_t n_rows, std::size_t n_features) {
  GrowthLimits limits;
  if (options.max_depth) limits.max_depth = static_cast<std::size_t>(*options.max_depth);
  limits.min_samples_leaf = std::max<std::size_t>(1, rows_of(options.min_samples_leaf, n_rows));
  limits.min_samples_split = std::max<std::size_t>(
      {2, rows_of(options.min_samples_split, n_rows), 2 * limits.min_samples_leaf});
  limits.min_weight_fraction_leaf = options.min_weight_fraction_leaf;
  limits.max_features = options.max_features.resolve(n_features);
  if (options.max_leaf_nodes)
    limits.max_leaf_nodes = static_cast<std::size_t>(*options.max_leaf_nodes);
  limits.min_impurity_decrease = options.min_impurity_decrease;
  limits.ccp_alpha = options.ccp_alpha;
  return limits;
}

WeightedRows weighted_rows(const TrainingSet& training) {
  WeightedRows result;
  const std::size_t n = training.rows ? training.rows->size() : training.x.rows;
  result.rows.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t row = training.rows ? (*training.rows)[i] : static_cast<std::uint32_t>(i);
    if (training.sample_weight.empty()) {
      result.rows.push_back(row);
    } else if (training.sample_weight[row] > 0.0) {
      result.rows.push_back(row);
      result.weights.push_back(training.sample_weight[row]);
    }
  }
  return result;
}

void check_ranks(const TrainingSet& training) {
  if (training.ranked != nullptr &&
      (training.ranked->rows() != training.x.rows || training.ranked->cols() != training.x.cols)) {
    throw core::InvalidArgument(fmt::format("x is {} x {} and its ranks are {} x {}",
                                            training.x.rows, training.x.cols,
                                            training.ranked->rows(), training.ranked->cols()));
  }
}

}  // namespace internal

TreeOptions checked_options(TreeOptions options, std::string_view estimator, data::Task task,
                            bool forest) {
  const bool classes = task == data::Task::kClassification;
  const auto& table = classes ? internal::decision_tree_classifier_parameters()
                              : internal::decision_tree_parameters();
  const auto refuse = [&](const char* name, const std::string& value) {
    for (const auto& parameter : table) {
      if (parameter.info.name == name)
        internal::throw_bad_value(estimator, parameter.info, value, "is out of range");
    }
  };
  const auto in_range = [](const CountOrFraction& value, std::int64_t least, bool one_allowed) {
    if (const auto* count = std::get_if<std::int64_t>(&value)) return *count >= least;
    const double fraction = std::get<double>(value);
    return fraction > 0.0 && (one_allowed ? fraction <= 1.0 : fraction < 1.0);
  };
  const std::vector<std::string> criteria =
      classes ? std::vector<std::string>{"gini", "entropy", "log_loss"}
              : std::vector<std::string>{"squared_error"};
  if (options.criterion.empty()) options.criterion = criteria.front();
  if (std::find(criteria.begin(), criteria.end(), options.criterion) == criteria.end()) {
    throw core::InvalidArgument(
        fmt::format("{}.criterion: '{}' is not offered", estimator, options.criterion),
        fmt::format("the criteria of these trees: {}", fmt::join(criteria, ", ")));
  }
  std::vector<std::string> class_weights = {"none"};
  if (classes) class_weights.emplace_back("balanced");
  if (classes && forest) class_weights.emplace_back("balanced_subsample");
  if (std::find(class_weights.begin(), class_weights.end(), options.class_weight) ==
      class_weights.end()) {
    throw core::InvalidArgument(
        fmt::format("{}.class_weight: '{}' is not offered", estimator, options.class_weight),
        fmt::format("class_weight takes: {}", fmt::join(class_weights, ", ")));
  }
  if (options.max_features.kind == MaxFeatures::Kind::kDefault)
    options.max_features = classes && forest ? MaxFeatures::sqrt() : MaxFeatures::all();
  if (options.max_depth && *options.max_depth < 1) refuse("max_depth", text_of(*options.max_depth));
  if (!in_range(options.min_samples_split, 2, true))
    refuse("min_samples_split", text_of(options.min_samples_split));
  if (!in_range(options.min_samples_leaf, 1, false))
    refuse("min_samples_leaf", text_of(options.min_samples_leaf));
  if (!(options.min_weight_fraction_leaf >= 0.0 && options.min_weight_fraction_leaf <= 0.5))
    refuse("min_weight_fraction_leaf", text_of(options.min_weight_fraction_leaf));
  const MaxFeatures& features = options.max_features;
  if ((features.kind == MaxFeatures::Kind::kCount && features.count < 1) ||
      (features.kind == MaxFeatures::Kind::kFraction &&
       !(features.fraction > 0.0 && features.fraction <= 1.0)))
    refuse("max_features", text_of(features));
  if (options.max_leaf_nodes && *options.max_leaf_nodes < 2)
    refuse("max_leaf_nodes", text_of(*options.max_leaf_nodes));
  if (!(options.min_impurity_decrease >= 0.0))
    refuse("min_impurity_decrease", text_of(options.min_impurity_decrease));
  if (!(options.ccp_alpha >= 0.0)) refuse("ccp_alpha", text_of(options.ccp_alpha));
  return options;
}

namespace {

/// Grows the tree; gives its nodes and, in `importances`, their shares.
TreeNodes fit_tree(const TreeOptions& options, const TrainingSet& training,
                   const FitContext& context, std::size_t n_classes,
                   std::vector<double>& importances) {
  internal::check_ranks(training);
  exec::CoreBudget& budget =
      context.budget != nullptr ? *context.budget : exec::CoreBudget::current();
  internal::WeightedRows rows = internal::weighted_rows(training);
  const internal::GrowthLimits limits =
      internal::limits_for(options, rows.rows.size(), training.x.cols);
  if (options.class_weight != "none") internal::balance(rows, training.y, n_classes);
  const internal::TreeTables tables(training, rows, n_classes, options, limits, false, true, budget,
                                    context.max_cores);
  internal::TreeScratch scratch;
  std::vector<internal::GrownTree> trees;
  trees.push_back(internal::grow_tree(tables.task(rows, context.seed, context.stop), limits,
                                      scratch, &budget, context.max_cores));
  std::vector<double> shares(training.x.cols, 0.0);
  TreeNodes nodes =
      internal::join_trees(trees, training.x.cols, n_classes, shares, budget, context.max_cores);
  nodes.set_level_orders(tables.levels());
  importances = std::move(shares);
  if (context.progress) context.progress(1, 1);
  return nodes;
}

TreeNodes load_tree(const SectionReader& reader, data::Task task,
                    std::vector<double>& importances) {
  TreeNodes nodes = internal::load_trees(reader, importances, task);
  if (nodes.trees() != 1) throw core::CorruptFile("a decision tree is one tree");
  return nodes;
}

}  // namespace

DecisionTreeRegressor::DecisionTreeRegressor(Options options)
    : options_(checked_options(std::move(options), name(), task(), false)) {}

void DecisionTreeRegressor::fit(const TrainingSet& training, const FitContext& context) {
  Estimator::check(training);
  nodes_ = fit_tree(options_, training, context, 0, importances_);
}

ParameterMap DecisionTreeRegressor::parameters() const {
  return internal::write_parameters(internal::decision_tree_parameters(), options_);
}

std::unique_ptr<Estimator> DecisionTreeRegressor::clone() const {
  return std::make_unique<DecisionTreeRegressor>(options_);
}

void DecisionTreeRegressor::predict_rows(data::MatrixView x,
                                         std::optional<std::span<const std::uint32_t>> rows,
                                         std::span<double> out, exec::CoreBudget& budget) const {
  nodes_.predict_mean(x, rows, out, budget);
}

void DecisionTreeRegressor::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes_, importances_);
}

void DecisionTreeRegressor::load(const SectionReader& reader) {
  std::vector<double> importances;
  nodes_ = load_tree(reader, task(), importances);
  importances_ = std::move(importances);
}

DecisionTreeClassifier::DecisionTreeClassifier(Options options)
    : options_(checked_options(std::move(options), name(), task(), false)) {}

void DecisionTreeClassifier::fit(const TrainingSet& training, const FitContext& context) {
  nodes_ = fit_tree(options_, training, context, check_classes(training), importances_);
}

ParameterMap DecisionTreeClassifier::parameters() const {
  return internal::write_parameters(internal::decision_tree_classifier_parameters(), options_);
}

std::unique_ptr<Estimator> DecisionTreeClassifier::clone() const {
  return std::make_unique<DecisionTreeClassifier>(options_);
}

void DecisionTreeClassifier::predict_proba_rows(data::MatrixView x,
                                                std::optional<std::span<const std::uint32_t>> rows,
                                                std::span<double> out,
                                                exec::CoreBudget& budget) const {
  nodes_.predict_distributions(x, rows, out, budget);
}

void DecisionTreeClassifier::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes_, importances_);
}

void DecisionTreeClassifier::load(const SectionReader& reader) {
  std::vector<double> importances;
  nodes_ = load_tree(reader, task(), importances);
  importances_ = std::move(importances);
}

}  // namespace mutirao::models
