#include "mutirao/models/internal/sections.hpp"

#include <algorithm>
#include <cmath>

namespace mutirao::models::internal {

void save_levels(SectionWriter& writer, const LevelOrders& levels) {
  if (levels.empty()) return;
  std::vector<std::uint64_t> columns;
  std::vector<float> positions;
  for (const LevelOrders::Column& each : levels.columns()) {
    columns.push_back(each.column);
    columns.push_back(each.positions.size());
    positions.insert(positions.end(), each.positions.begin(), each.positions.end());
    positions.push_back(each.otherwise);
  }
  writer.keep("level_columns", std::span<const std::uint64_t>(columns));
  writer.keep("level_positions", std::span<const float>(positions));
}

LevelOrders load_levels(const SectionReader& reader, std::size_t n_features) {
  if (!reader.has("level_columns")) return {};
  const auto columns = reader.get<std::uint64_t>("level_columns");
  const auto positions = reader.get<float>("level_positions");
  std::vector<LevelOrders::Column> levels;
  std::size_t taken = 0;
  bool good = columns.size() % 2 == 0;
  for (std::size_t i = 0; good && i < columns.size(); i += 2) {
    good = columns[i] < n_features && (levels.empty() || columns[i] > levels.back().column) &&
           columns[i + 1] < positions.size() - taken;
    if (!good) break;
    const auto of_column = positions.subspan(taken, columns[i + 1]);
    const float otherwise = positions[taken + of_column.size()];
    // What a walk sees must be a number or missing.
    good = std::none_of(of_column.begin(), of_column.end(),
                        [](float position) { return std::isinf(position); }) &&
           !std::isinf(otherwise);
    levels.push_back({.column = columns[i],
                      .positions = {of_column.begin(), of_column.end()},
                      .otherwise = otherwise});
    taken += of_column.size() + 1;
  }
  if (!good || taken != positions.size())
    throw core::CorruptFile("the levels of the model's categories are not well formed",
                            "train the model again; the file cannot be used");
  return LevelOrders(std::move(levels));
}

void save_trees(SectionWriter& writer, const TreeNodes& nodes,
                const std::vector<double>& importances) {
  writer.add("tree_words", nodes.words());
  writer.add("tree_roots", nodes.roots());
  writer.add("feature_importances", std::span<const double>(importances));
  save_levels(writer, nodes.level_orders());
  if (nodes.n_classes() == 0) return;
  const std::uint64_t n_classes = nodes.n_classes();
  writer.keep("n_classes", std::span(&n_classes, 1));
  writer.add("distributions", nodes.distributions());
}

TreeNodes load_trees(const SectionReader& reader, std::vector<double>& importances,
                     data::Task task) {
  const std::span<const double> stored = reader.get<double>("feature_importances");
  importances.assign(stored.begin(), stored.end());
  std::uint64_t n_classes = 0;
  std::span<const double> distributions;
  if (task == data::Task::kClassification) {
    const std::span<const std::uint64_t> count = reader.get<std::uint64_t>("n_classes");
    if (count.size() != 1 || count[0] == 0 || count[0] > kMostClasses)
      throw core::CorruptFile("the model has no number of classes");
    n_classes = count[0];
    distributions = reader.get<double>("distributions");
  }
  TreeNodes nodes(stored.size(), reader.get<std::uint64_t>("tree_words"),
                  reader.get<TreeNodes::Root>("tree_roots"), reader.owner(), n_classes,
                  distributions);
  nodes.set_level_orders(load_levels(reader, stored.size()));
  return nodes;
}

}  // namespace mutirao::models::internal
