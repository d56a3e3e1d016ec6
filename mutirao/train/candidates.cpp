#include "mutirao/train/candidates.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::train {
namespace {

bool is_label(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) != 0 || c == '_' || c == '-');
  });
}

bool is_estimator(const std::string& name) {
  const auto& all = models::estimators();
  return std::any_of(all.begin(), all.end(),
                     [&](const models::EstimatorInfo& info) { return info.name == name; });
}

}  // namespace

CandidateName candidate_named(const std::string& text) {
  const std::size_t equals = text.find('=');
  CandidateName name{text.substr(0, equals),
                     equals == std::string::npos ? text : text.substr(equals + 1)};
  models::has_estimator(name.estimator, data::Task::kRegression);
  if (!is_label(name.label)) {
    throw core::InvalidArgument(fmt::format("'{}' cannot be the name of a model", name.label),
                                "use letters, digits, '_' and '-': small=random_forest");
  }
  if (name.label != name.estimator &&
      (is_estimator(name.label) || name.label == "all" || name.label == kEnsemble)) {
    throw core::InvalidArgument(
        fmt::format("'{}' cannot be the name of a {}: it means something else", name.label,
                    name.estimator),
        fmt::format("choose another name: my_{}={}", name.label, name.estimator));
  }
  return name;
}

std::vector<CandidateName> candidates_of(const TrainConfig& config, data::Task task) {
  const bool all = config.models == std::vector<std::string>{"all"};
  std::vector<CandidateName> given;
  if (!all) {
    for (const std::string& text : config.models) given.push_back(candidate_named(text));
  }
  std::vector<CandidateName> names;
  for (const models::EstimatorInfo& info : models::estimators()) {
    if (info.task != task) continue;
    const std::size_t before = names.size();
    for (const CandidateName& name : given) {
      if (name.estimator == info.name) names.push_back(name);
    }
    const bool chosen = all || (given.empty() && info.by_default) || info.name == kBaseline;
    if (chosen && names.size() == before) names.push_back({info.name, info.name});
  }
  return names;
}

std::string estimator_of(const TrainConfig& config, const std::string& label) {
  for (const std::string& text : config.models) {
    if (text.starts_with(label + "=")) return text.substr(label.size() + 1);
  }
  return label;
}

models::SearchSpace space_of(const TrainConfig& config, const CandidateName& name,
                             data::Task task) {
  if (!config.search) return {};
  models::SearchSpace space = models::search_space(name.estimator, task);
  if (const auto set = config.set.find(name.label); set != config.set.end()) {
    std::erase_if(space, [&](const models::Distribution& each) {
      return set->second.contains(each.parameter);
    });
  }
  return space;
}

void parse_setting(std::string_view text, TrainConfig& config) {
  const std::string label(text.substr(0, text.find('.')));
  const std::string estimator = estimator_of(config, label);
  if (estimator == label) {
    models::parse_setting(text, config.set);
    return;
  }
  std::map<std::string, models::ParameterMap> parsed;
  if (const auto before = config.set.find(label); before != config.set.end())
    parsed[estimator] = before->second;
  models::parse_setting(estimator + std::string(text.substr(label.size())), parsed);
  config.set[label] = std::move(parsed[estimator]);
}

}  // namespace mutirao::train
