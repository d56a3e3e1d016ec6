#include "mutirao/models/onnx.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/blend.hpp"
#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/dummy.hpp"
#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/gradient_boosting.hpp"
#include "mutirao/models/internal/onnx_features.hpp"
#include "mutirao/models/internal/onnx_graph.hpp"
#include "mutirao/models/internal/onnx_trees.hpp"
#include "mutirao/models/linear_predictor.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/logistic_regression.hpp"
#include "mutirao/models/random_forest.hpp"

namespace mutirao::models {
namespace {

using internal::OnnxGraph;
using internal::OnnxType;

template <class... Kinds>
const TreeNodes* nodes_of(const Estimator& estimator) {
  const TreeNodes* nodes = nullptr;
  const auto look = [&](const auto* kind) {
    if (kind != nullptr) nodes = &kind->nodes();
  };
  (look(dynamic_cast<const Kinds*>(&estimator)), ...);
  return nodes;
}

/// The trees of an estimator whose prediction is their mean.
const TreeNodes* trees_of(const Estimator& estimator) {
  return nodes_of<DecisionTreeRegressor, DecisionTreeClassifier, RandomForestRegressor,
                  RandomForestClassifier, ExtraTreesRegressor, ExtraTreesClassifier>(estimator);
}

[[noreturn]] void refuse(const Estimator& estimator) {
  throw core::InvalidInput(
      fmt::format("{} cannot be exported: ONNX has no operator for it", estimator.name()),
      "export another model of the run: --model NAME");
}

/// n_rows x the length of `row`, each row the same.
std::string repeated(OnnxGraph& graph, const std::string& x, std::span<const double> row) {
  const std::vector<std::int64_t> first = {0};
  const std::vector<std::int64_t> last = {1};
  const std::string shape = graph.apply("Shape", {x});
  const std::string rows =
      graph.apply("Slice", {shape, graph.list(std::span<const std::int64_t>(first)),
                            graph.list(std::span<const std::int64_t>(last))});
  std::string target;
  graph.open("Concat", {rows, graph.list(std::span<const std::int64_t>(last))}, target)
      .number("axis", 0);
  return graph.apply("Expand", {graph.row(row), target});
}

/// Columns first .. last - 1 of x.
std::string columns_of(OnnxGraph& graph, const std::string& x, std::size_t first,
                       std::size_t last) {
  const auto one = [&](std::size_t value) {
    const auto number = static_cast<std::int64_t>(value);
    return graph.list(std::span(&number, 1));
  };
  return graph.apply("Slice", {x, one(first), one(last), one(1)});
}

/// x with the codes of categories as the trees of an estimator see them.
std::string seen(OnnxGraph& graph, const std::string& x, std::size_t n_columns,
                 const LevelOrders& levels) {
  if (levels.empty()) return x;
  std::vector<std::string> parts;
  std::size_t copied = 0;  // columns so far
  const auto copy_up_to = [&](std::size_t end) {
    if (end > copied) parts.push_back(columns_of(graph, x, copied, end));
    copied = end;
  };
  for (const LevelOrders::Column& each : levels.columns()) {
    copy_up_to(each.column);
    const std::string codes = columns_of(graph, x, each.column, each.column + 1);
    std::string positions;
    {
      OnnxGraph::Attributes node = graph.open("LabelEncoder", {graph.cast(codes, OnnxType::kFloat)},
                                              positions, OnnxGraph::kTrees);
      // An encoder without a key is none.
      const std::size_t n = std::max<std::size_t>(1, each.positions.size());
      node.reals("keys_floats", [&](auto put) {
        for (std::size_t code = 0; code < n; ++code) put(static_cast<float>(code));
      });
      node.reals("values_floats", [&](auto put) {
        for (std::size_t code = 0; code < n; ++code) put(each.position(static_cast<double>(code)));
      });
      node.real("default_float", each.otherwise);
    }
    parts.push_back(graph.cast(positions, OnnxType::kDouble));
    copied = each.column + 1;
  }
  copy_up_to(n_columns);
  return graph.concatenate(parts);
}

/// What trees of either kind add up to, or their mean.
template <class Trees>
std::string output_of(OnnxGraph& graph, const std::string& x, const Trees& trees) {
  const std::string columns = seen(graph, x, trees.n_features(), trees.level_orders());
  return graph.cast(add_trees(graph, columns, trees), OnnxType::kDouble);
}

std::string linear(OnnxGraph& graph, const std::string& x, std::span<const double> coefficients,
                   std::span<const double> intercepts) {
  // From a row of coefficients for each output to a column.
  const std::size_t outputs = intercepts.size();
  const std::size_t features = coefficients.size() / outputs;
  std::vector<double> columns(coefficients.size());
  for (std::size_t c = 0; c < outputs; ++c) {
    for (std::size_t j = 0; j < features; ++j)
      columns[j * outputs + c] = coefficients[c * features + j];
  }
  const std::string products = graph.apply("MatMul", {x, graph.matrix(columns, features, outputs)});
  return graph.apply("Add", {products, graph.row(intercepts)});
}

/// The weighted sum of what `add` gives for each member of a blend from its columns of x.
template <class Add>
std::string weighted(OnnxGraph& graph, const std::string& x, const Blend& blend, const Add& add) {
  std::string sum;
  for (const BlendMember& member : blend.members()) {
    std::string columns = x;
    if (member.n_columns != 0) {
      columns = columns_of(graph, x, member.first_column, member.first_column + member.n_columns);
    }
    const std::string part =
        graph.apply("Mul", {add(graph, columns, *member.estimator), graph.scalar(member.weight)});
    sum = sum.empty() ? part : graph.apply("Add", {sum, part});
  }
  return sum;
}

/// n_rows x 1, float64.
std::string add_numbers(OnnxGraph& graph, const std::string& x, const Estimator& estimator) {
  if (const auto* blend = dynamic_cast<const Blend*>(&estimator))
    return weighted(graph, x, *blend, add_numbers);
  if (const TreeNodes* trees = trees_of(estimator)) return output_of(graph, x, *trees);
  if (const auto* boosted = dynamic_cast<const GradientBoostingRegressor*>(&estimator))
    return output_of(graph, x, boosted->trees());
  const auto line = [&](const auto& model) {
    const double intercept = model.intercept();
    return linear(graph, x, model.coefficients(), std::span(&intercept, 1));
  };
  if (const auto* model = dynamic_cast<const LinearRegression*>(&estimator)) return line(*model);
  if (const auto* model = dynamic_cast<const LinearPredictor*>(&estimator)) return line(*model);
  if (const auto* dummy = dynamic_cast<const DummyRegressor*>(&estimator)) {
    const double constant = dummy->constant();
    return repeated(graph, x, std::span(&constant, 1));
  }
  refuse(estimator);
}

/// The probabilities of two classes from that of the second.
std::string both(OnnxGraph& graph, const std::string& second) {
  const std::vector<std::string> columns = {graph.apply("Sub", {graph.scalar(1.0), second}),
                                            second};
  return graph.concatenate(columns);
}

/// The probabilities of classes from their scores; of two classes from that of the second.
std::string probabilities(OnnxGraph& graph, const std::string& scores, std::size_t outputs) {
  if (outputs == 1) {
    const std::vector<std::string> columns = {
        graph.apply("Sigmoid", {graph.apply("Neg", {scores})}), graph.apply("Sigmoid", {scores})};
    return graph.concatenate(columns);
  }
  std::string output;
  graph.open("Softmax", {scores}, output).number("axis", 1);
  return output;
}

/// n_rows x n_classes, float64.
std::string add_probabilities(OnnxGraph& graph, const std::string& x, const Estimator& estimator) {
  if (const auto* blend = dynamic_cast<const Blend*>(&estimator))
    return weighted(graph, x, *blend, add_probabilities);
  const std::size_t n_classes = estimator.n_classes();
  if (const TreeNodes* trees = trees_of(estimator)) {
    std::string mean = output_of(graph, x, *trees);
    if (n_classes > 2) return mean;
    return n_classes == 2 ? both(graph, mean) : graph.apply("Sub", {graph.scalar(1.0), mean});
  }
  if (const auto* boosted = dynamic_cast<const GradientBoostingClassifier*>(&estimator)) {
    const std::string scores = output_of(graph, x, boosted->trees());
    return probabilities(graph, scores, boosted->trees().outputs());
  }
  if (const auto* model = dynamic_cast<const LogisticRegression*>(&estimator)) {
    const std::string scores = linear(graph, x, model->coefficients(), model->intercepts());
    std::string seen = probabilities(graph, scores, model->intercepts().size());
    const std::vector<std::uint32_t>& classes = model->seen_classes();
    if (classes.size() == n_classes) return seen;
    // To their places: the others have probability 0.
    std::vector<double> places(classes.size() * n_classes);
    for (std::size_t i = 0; i < classes.size(); ++i) places[i * n_classes + classes[i]] = 1.0;
    return graph.apply("MatMul", {seen, graph.matrix(places, classes.size(), n_classes)});
  }
  if (const auto* dummy = dynamic_cast<const DummyClassifier*>(&estimator))
    return repeated(graph, x, dummy->class_prior());
  refuse(estimator);
}

void add_labels(OnnxGraph& graph, const std::string& probability,
                const data::ClassLabels& classes) {
  std::string index;
  graph.open("ArgMax", {probability}, index).number("axis", 1).number("keepdims", 1);
  std::string labels;
  OnnxType type = OnnxType::kText;
  std::vector<double> values;
  if (classes.type == data::ColumnType::kText) {
    labels = graph.list(classes.names);
  } else if (classes.type == data::ColumnType::kBoolean) {
    for (const std::string& name : classes.names) values.push_back(name == "true" ? 1.0 : 0.0);
    labels = graph.list_of_booleans(values);
    type = OnnxType::kBoolean;
  } else {
    for (const std::string& name : classes.names)
      values.push_back(std::strtod(name.c_str(), nullptr));
    labels = graph.list(std::span<const double>(values));
    type = OnnxType::kDouble;
  }
  const std::string prediction = "prediction";
  graph.output(prediction, type);
  graph.open_named("Gather", {labels, index}, std::span(&prediction, 1));
  std::vector<std::string> columns;
  for (const std::string& name : classes.names) columns.push_back("probability_" + name);
  for (const std::string& column : columns) graph.output(column, OnnxType::kDouble);
  const std::vector<std::int64_t> ones(classes.size(), 1);
  graph.open_named("Split", {probability, graph.list(std::span<const std::int64_t>(ones))}, columns)
      .number("axis", 1);
}

}  // namespace

std::string to_onnx(const Model& model) {
  OnnxGraph graph(model.info().version, model.name());
  const std::string x = internal::add_features(graph, model.encoder());
  if (model.info().task == data::Task::kRegression) {
    const std::string numbers = add_numbers(graph, x, model.estimator());
    const std::string prediction = "prediction";
    graph.output(prediction, OnnxType::kDouble);
    graph.open_named("Identity", {numbers}, std::span(&prediction, 1));
  } else {
    add_labels(graph, add_probabilities(graph, x, model.estimator()), model.info().classes);
  }
  graph.metadata("mutirao.estimator", model.name());
  graph.metadata("mutirao.target", model.info().target);
  return graph.finish();
}

}  // namespace mutirao::models
