#pragma once

// The named arrays of a model file, as estimators write and read them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/level_orders.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models {

/// Collects sections. What add() is given must outlive the writer; keep() copies.
class SectionWriter {
 public:
  struct Section {
    std::string name;
    std::span<const std::byte> bytes;
  };

  template <class T>
  void add(std::string name, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    sections_.push_back({std::move(name), std::as_bytes(values)});
  }
  template <class T>
  void keep(std::string name, std::span<const T> values) {
    const std::span<const std::byte> bytes = std::as_bytes(values);
    kept_.push_back(std::make_unique<std::vector<std::byte>>(bytes.begin(), bytes.end()));
    sections_.push_back({std::move(name), *kept_.back()});
  }
  /// Takes over what another has collected, under names that begin with `prefix`.
  void take(const std::string& prefix, SectionWriter other) {
    for (Section& section : other.sections_)
      sections_.push_back({prefix + section.name, section.bytes});
    for (auto& bytes : other.kept_) kept_.push_back(std::move(bytes));
  }
  const std::vector<Section>& sections() const noexcept { return sections_; }

 private:
  std::vector<Section> sections_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> kept_;
};

/// Gives sections of a verified file.
class SectionReader {
 public:
  SectionReader(std::vector<SectionWriter::Section> sections, std::shared_ptr<const void> owner)
      : sections_(std::move(sections)), owner_(std::move(owner)) {}

  /// The values of a section, 64-byte aligned. core::CorruptFile when there is none of that name,
  /// or when it does not hold whole values.
  template <class T>
  std::span<const T> get(std::string_view name) const {
    for (const auto& section : sections_) {
      if (section.name != name) continue;
      if (section.bytes.size() % sizeof(T) != 0) break;
      return {reinterpret_cast<const T*>(section.bytes.data()), section.bytes.size() / sizeof(T)};
    }
    throw core::CorruptFile("the model file lacks its section '" + std::string(name) + "'",
                            "train the model again; the file cannot be used");
  }
  bool has(std::string_view name) const noexcept {
    return std::any_of(sections_.begin(), sections_.end(),
                       [&](const auto& section) { return section.name == name; });
  }
  /// The sections whose names begin with `prefix`, by the rest of their names.
  SectionReader within(std::string_view prefix) const {
    std::vector<SectionWriter::Section> inside;
    for (const auto& section : sections_) {
      if (section.name.starts_with(prefix))
        inside.push_back({section.name.substr(prefix.size()), section.bytes});
    }
    return {std::move(inside), owner_};
  }
  /// Keeps the file mapped.
  const std::shared_ptr<const void>& owner() const noexcept { return owner_; }

 private:
  std::vector<SectionWriter::Section> sections_;
  std::shared_ptr<const void> owner_;
};

namespace internal {

/// As many as Classifier takes.
inline constexpr std::uint64_t kMostClasses = 65536;

/// `level_columns` (u64: column and number of codes of each category) and `level_positions`
/// (float32: of its codes and of anything else, for each); without categories none.
void save_levels(SectionWriter& writer, const LevelOrders& levels);
LevelOrders load_levels(const SectionReader& reader, std::size_t n_features);

void save_trees(SectionWriter& writer, const TreeNodes& nodes,
                const std::vector<double>& importances);
/// `task`: what the trees are for. Classification has two sections more: n_classes (u64) and
/// distributions (float64, empty below three classes).
TreeNodes load_trees(const SectionReader& reader, std::vector<double>& importances,
                     data::Task task = data::Task::kRegression);

}  // namespace internal
}  // namespace mutirao::models
