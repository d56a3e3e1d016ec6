#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models::internal {

void save_trees(SectionWriter& writer, const TreeNodes& nodes,
                const std::vector<double>& importances) {
  writer.add("tree_words", nodes.words());
  writer.add("tree_roots", nodes.roots());
  writer.add("feature_importances", std::span<const double>(importances));
}

TreeNodes load_trees(const SectionReader& reader, std::vector<double>& importances) {
  const std::span<const double> stored = reader.get<double>("feature_importances");
  importances.assign(stored.begin(), stored.end());
  return {stored.size(), reader.get<std::uint64_t>("tree_words"),
          reader.get<TreeNodes::Root>("tree_roots"), reader.owner()};
}

}  // namespace mutirao::models::internal
