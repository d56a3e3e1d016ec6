#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::cli {
namespace {

std::string text_of(const models::EstimatorInfo& info) {
  std::string text = fmt::format("{}  {} ({}): {}\n", info.name, info.class_name,
                                 data::name_of(info.task), info.doc);
  std::size_t names = 0;
  std::size_t values = 0;
  for (const models::ParameterInfo& each : info.parameters) {
    names = std::max(names, each.name.size());
    values = std::max(values, each.default_value.size());
  }
  for (const models::ParameterInfo& each : info.parameters) {
    text += fmt::format("  {:<{}}  {:<{}}  {}; {}{}{}\n", each.name, names, each.default_value,
                        values, each.doc, each.type, each.range.empty() ? "" : ", ", each.range);
  }
  return text;
}

int run() {
  std::vector<std::string> names;
  for (const models::EstimatorInfo& info : models::estimators()) {
    if (std::find(names.begin(), names.end(), info.name) == names.end()) names.push_back(info.name);
  }
  std::string text;
  for (const std::string& name : names) {
    for (const models::EstimatorInfo& info : models::estimators()) {
      if (info.name == name) text += (text.empty() ? "" : "\n") + text_of(info);
    }
  }
  print_result(text);
  return kSuccess;
}

}  // namespace

Action add_models(CLI::App& app) {
  app.add_subcommand("models", "List the models and their parameters, with defaults");
  return [] { return run(); };
}

}  // namespace mutirao::cli
