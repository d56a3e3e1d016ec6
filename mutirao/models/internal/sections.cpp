#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models::internal {

void save_trees(SectionWriter& writer, const TreeNodes& nodes,
                const std::vector<double>& importances) {
  writer.add("tree_words", nodes.words());
  writer.add("tree_roots", nodes.roots());
  writer.add("feature_importances", std::span<const double>(importances));
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
  return {stored.size(),
          reader.get<std::uint64_t>("tree_words"),
          reader.get<TreeNodes::Root>("tree_roots"),
          reader.owner(),
          n_classes,
          distributions};
}

}  // namespace mutirao::models::internal
