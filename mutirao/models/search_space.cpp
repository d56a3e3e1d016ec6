#include "mutirao/models/search_space.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/exponential.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {
namespace {

constexpr std::uint64_t kSearchStream = 0x736561726368;  // apart from those of fits and splits

using Kind = Distribution::Kind;

Distribution choice(std::string parameter, std::vector<std::string> choices) {
  return {.parameter = std::move(parameter), .kind = Kind::kChoice, .choices = std::move(choices)};
}

/// At `place` of the way from least to most, on a scale of logarithms.
double log_uniform_at(double least, double most, double place) {
  const double way = internal::log_of_one_plus(most / least - 1.0);
  return most * internal::exp_of_negative((place - 1.0) * way);
}

std::string rounded(double value) { return text_of(std::stod(fmt::format("{:.3e}", value))); }

SearchSpace tree_space(data::Task task) {
  SearchSpace space = {
      {"min_samples_split", Kind::kLogInteger, 2, 128},
      {"min_samples_leaf", Kind::kLogInteger, 1, 64},
  };
  if (task == data::Task::kClassification)
    space.push_back(choice("criterion", {"gini", "entropy"}));
  return space;
}

SearchSpace forest_space(data::Task task) {
  SearchSpace space = {
      {"max_features", Kind::kUniform, 0.1, 1.0},
      {"min_samples_leaf", Kind::kLogInteger, 1, 20},
  };
  if (task == data::Task::kClassification)
    space.push_back(choice("criterion", {"gini", "entropy"}));
  return space;
}

SearchSpace boosting_space() {
  // Learning rates and rounds that go together: either alone decides little.
  return {
      {"n_estimators", Kind::kLogInteger, 200, 500},
      {"learning_rate", Kind::kLogUniform, 0.02, 0.07},
      {"max_depth", Kind::kInteger, 5, 10},
      {"min_child_weight", Kind::kLogUniform, 1.0, 10.0},
      {"subsample", Kind::kUniform, 0.5, 1.0},
      {"colsample_bytree", Kind::kUniform, 0.7, 1.0},
      {"reg_lambda", Kind::kLogUniform, 0.1, 5.0},
      {"max_bin", Kind::kLogInteger, 256, 2048},
  };
}

SearchSpace make_space(std::string_view name, data::Task task) {
  if (name == "ridge") return {{"alpha", Kind::kLogUniform, 1e-4, 1e4}};
  if (name == "lasso") return {{"alpha", Kind::kLogUniform, 1e-4, 10.0}};
  if (name == "elastic_net") {
    return {{"alpha", Kind::kLogUniform, 1e-4, 10.0}, {"l1_ratio", Kind::kUniform, 0.0, 1.0}};
  }
  if (name == "logistic_regression") return {{"C", Kind::kLogUniform, 1e-4, 1e4}};
  if (name == "decision_tree") return tree_space(task);
  if (name == "random_forest" || name == "extra_trees") return forest_space(task);
  if (name == "k_neighbors") {
    return {{"n_neighbors", Kind::kLogInteger, 1, 50},
            choice("weights", {"uniform", "distance"}),
            choice("p", {"1", "2"})};
  }
  if (name == "gradient_boosting") return boosting_space();
  return {};
}

}  // namespace

std::string Distribution::value_at(double place) const {
  switch (kind) {
    case Kind::kUniform:
      return rounded(least + (most - least) * place);
    case Kind::kLogUniform:
      return rounded(log_uniform_at(least, most, place));
    case Kind::kInteger:
      return text_of(static_cast<std::int64_t>(std::floor(least + (most - least + 1.0) * place)));
    case Kind::kLogInteger:
      return text_of(static_cast<std::int64_t>(
          std::clamp(std::floor(log_uniform_at(least, most + 1.0, place)), least, most)));
    case Kind::kChoice:
      break;
  }
  const auto count = static_cast<double>(choices.size());
  return choices[static_cast<std::size_t>(std::floor(place * count))];
}

std::string Distribution::text() const {
  switch (kind) {
    case Kind::kUniform:
      return fmt::format("uniform, {} to {}", least, most);
    case Kind::kLogUniform:
      return fmt::format("log-uniform, {} to {}", least, most);
    case Kind::kInteger:
      return fmt::format("integer, {} to {}", least, most);
    case Kind::kLogInteger:
      return fmt::format("log-uniform integer, {} to {}", least, most);
    case Kind::kChoice:
      break;
  }
  return fmt::format("{}", fmt::join(choices, " or "));
}

const SearchSpace& search_space(std::string_view name, data::Task task) {
  static const auto all = [] {
    std::map<std::pair<std::string, data::Task>, SearchSpace> made;
    for (const EstimatorInfo& info : estimators())
      made[{info.name, info.task}] = make_space(info.name, info.task);
    return made;
  }();
  const EstimatorInfo& info = find_estimator(name, task);
  return all.at({info.name, info.task});
}

ParameterMap draw(const SearchSpace& space, const ParameterMap& fixed, std::uint64_t seed,
                  std::string_view label, std::uint64_t number) {
  ParameterMap drawn = fixed;
  if (number == 0) return drawn;
  const std::uint64_t label_key = XXH3_64bits(label.data(), label.size());
  for (const Distribution& each : space) {
    if (fixed.contains(each.parameter)) continue;
    core::RandomStream stream({seed, kSearchStream, label_key, number,
                               XXH3_64bits(each.parameter.data(), each.parameter.size())});
    drawn[each.parameter] = each.value_at(stream.uniform());
  }
  return drawn;
}

}  // namespace mutirao::models
