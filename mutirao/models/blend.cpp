#include "mutirao/models/blend.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/models/ensemble_selection.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {
namespace {

/// What a file says of a member besides its sections.
struct StoredMember {
  std::string label;
  std::string estimator;
  ParameterMap parameters;
  double weight = 0.0;
  std::uint64_t first_column = 0;
  std::uint64_t n_columns = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(label, estimator, parameters, weight, first_column, n_columns);
  }
};

/// The names of a member's sections begin with it.
std::string prefix_of(std::size_t member) { return fmt::format("member_{}.", member); }

data::MatrixView columns_of(data::MatrixView x, const BlendMember& member) {
  if (member.n_columns == 0) return x;
  return {.data = x.data + member.first_column * x.column_stride,
          .rows = x.rows,
          .cols = member.n_columns,
          .column_stride = x.column_stride};
}

bool lies_within(const BlendMember& member, std::size_t n_features) {
  return member.n_columns == 0 ? member.first_column == 0
                               : member.first_column <= n_features &&
                                     member.n_columns <= n_features - member.first_column;
}

/// What is wrong with members that are fitted to columns of n_features; empty: nothing.
std::string doubt_about_fitted(const std::vector<BlendMember>& members, std::size_t n_features) {
  for (const BlendMember& member : members) {
    const std::size_t columns = member.n_columns == 0 ? n_features : member.n_columns;
    if (!member.estimator->fitted())
      return fmt::format("{} is not fitted, and others are", member.label);
    if (!lies_within(member, n_features) || member.estimator->n_features() != columns)
      return fmt::format("{} was fitted on other columns than those it is given", member.label);
    if (member.estimator->n_classes() != members.front().estimator->n_classes())
      return fmt::format("{} tells other classes apart than {}", member.label,
                         members.front().label);
  }
  return "";
}

}  // namespace

Blend::Blend(std::vector<BlendMember> members) : members_(std::move(members)) {
  if (members_.empty()) throw core::InvalidArgument("a blend needs members");
  double sum = 0.0;
  std::set<std::string> labels;
  for (BlendMember& member : members_) {
    if (member.estimator == nullptr) throw core::InvalidArgument("a member of a blend is null");
    const std::string name(member.estimator->name());
    if (name == kName)
      throw core::InvalidArgument("a blend cannot be a member of a blend", "blend its members");
    if (!(member.weight > 0.0) || !std::isfinite(member.weight)) {
      throw core::InvalidArgument(
          fmt::format("the weight of {} in a blend is {}", name, member.weight),
          "weights are finite and above 0: leave out a member that counts nothing");
    }
    if (member.n_columns == 0 && member.first_column != 0)
      throw core::InvalidArgument(fmt::format("{} has a first column but no number of them", name));
    if (member.estimator->task() != members_.front().estimator->task())
      throw core::InvalidArgument("a blend has members for numbers and members for classes");
    if (member.label.empty()) {
      member.label = name;
      for (int number = 2; labels.contains(member.label); ++number)
        member.label = fmt::format("{}_{}", name, number);
    }
    if (!labels.insert(member.label).second)
      throw core::InvalidArgument(fmt::format("two members of a blend are called {}", member.label),
                                  "give each a label of its own");
    sum += member.weight;
  }
  for (BlendMember& member : members_) member.weight /= sum;
  task_ = members_.front().estimator->task();

  std::size_t n_features = 0;
  bool any_fitted = false;
  for (const BlendMember& member : members_) {
    n_features = std::max(n_features, member.first_column + member.estimator->n_features());
    any_fitted = any_fitted || member.estimator->fitted();
  }
  if (!any_fitted) return;
  if (const std::string doubt = doubt_about_fitted(members_, n_features); !doubt.empty())
    throw core::InvalidArgument("these cannot be blended: " + doubt);
  n_features_ = n_features;
}

void Blend::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  std::vector<BlendMember> fitted = members_;
  for (std::size_t i = 0; i < fitted.size(); ++i) {
    BlendMember& member = fitted[i];
    if (!lies_within(member, training.x.cols)) {
      throw core::InvalidArgument(fmt::format(
          "{} is to learn from columns {} to {}, and there are {}", member.label,
          member.first_column, member.first_column + member.n_columns - 1, training.x.cols));
    }
    TrainingSet part = training;
    part.x = columns_of(training.x, member);
    if (member.n_columns != 0 && part.x.cols != training.x.cols) part.ranked = nullptr;
    const std::size_t end = member.first_column + part.x.cols;
    std::erase_if(part.one_hot_blocks, [&](data::OneHotBlock& block) {
      if (block.first < member.first_column || block.first + block.count > end) return true;
      block.first -= member.first_column;
      return false;
    });
    std::erase_if(part.categories, [&](std::size_t& column) {
      if (column < member.first_column || column >= end) return true;
      column -= member.first_column;
      return false;
    });
    FitContext of_member = context;
    of_member.progress = nullptr;
    std::unique_ptr<Estimator> estimator = member.estimator->clone();
    estimator->fit(part, of_member);
    member.estimator = std::move(estimator);
    if (context.progress) context.progress(i + 1, fitted.size());
  }
  members_ = std::move(fitted);
  n_features_ = training.x.cols;
}

ParameterMap Blend::parameters() const {
  ParameterMap weights;
  for (const BlendMember& member : members_) weights[member.label] = text_of(member.weight);
  return weights;
}

std::unique_ptr<Estimator> Blend::clone() const {
  auto copy = std::make_unique<Blend>(task_);
  copy->members_ = members_;
  for (BlendMember& member : copy->members_) member.estimator = member.estimator->clone();
  return copy;
}

std::size_t Blend::n_classes() const noexcept {
  return fitted() ? members_.front().estimator->n_classes() : 0;
}

void Blend::predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                         std::span<double> out, exec::CoreBudget& budget) const {
  if (task_ == data::Task::kClassification) {
    const std::size_t classes = n_classes();
    std::vector<double> probabilities(out.size() * classes);
    predict_proba_rows(x, rows, probabilities, budget);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto of_row = std::span(probabilities).subspan(i * classes, classes);
      out[i] = static_cast<double>(std::max_element(of_row.begin(), of_row.end()) - of_row.begin());
    }
    return;
  }
  std::fill(out.begin(), out.end(), 0.0);
  for (const BlendMember& member : members_) {
    const data::MatrixView part = columns_of(x, member);
    const std::vector<double> values = rows ? member.estimator->predict(part, *rows, &budget)
                                            : member.estimator->predict(part, &budget);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += member.weight * values[i];
  }
}

void Blend::predict_proba_rows(data::MatrixView x,
                               std::optional<std::span<const std::uint32_t>> rows,
                               std::span<double> out, exec::CoreBudget& budget) const {
  std::fill(out.begin(), out.end(), 0.0);
  for (const BlendMember& member : members_) {
    const data::MatrixView part = columns_of(x, member);
    const std::vector<double> values = rows ? member.estimator->predict_proba(part, *rows, &budget)
                                            : member.estimator->predict_proba(part, &budget);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += member.weight * values[i];
  }
}

void Blend::save(SectionWriter& writer) const {
  std::vector<StoredMember> stored;
  for (const BlendMember& member : members_) {
    stored.push_back({.label = member.label,
                      .estimator = std::string(member.estimator->name()),
                      .parameters = member.estimator->parameters(),
                      .weight = member.weight,
                      .first_column = member.first_column,
                      .n_columns = member.n_columns});
  }
  core::Payload payload;
  core::OutputArchive archive(payload);
  archive(std::uint64_t{n_features_}, stored);
  writer.keep("members", std::span<const std::byte>(payload.bytes));
  for (std::size_t i = 0; i < members_.size(); ++i) {
    SectionWriter of_member;
    members_[i].estimator->save(of_member);
    writer.take(prefix_of(i), std::move(of_member));
  }
}

void Blend::load(const SectionReader& reader) {
  std::uint64_t n_features = 0;
  std::vector<StoredMember> stored;
  core::InputArchive archive(reader.get<std::byte>("members"), {},
                             core::InputArchive::Lengths::kChecked);
  archive(n_features, stored);
  if (archive.bytes_left() != 0 || n_features == 0 || stored.empty())
    throw core::CorruptFile("the ensemble is not well formed");
  std::vector<BlendMember> members;
  double sum = 0.0;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    // Of the registry, where there is no ensemble: files do not nest.
    std::unique_ptr<Estimator> estimator =
        make_estimator(stored[i].estimator, stored[i].parameters, task_);
    estimator->load(reader.within(prefix_of(i)));
    members.push_back({.label = stored[i].label,
                       .estimator = std::move(estimator),
                       .weight = stored[i].weight,
                       .first_column = stored[i].first_column,
                       .n_columns = stored[i].n_columns});
    if (!(stored[i].weight > 0.0)) throw core::CorruptFile("the ensemble has a weight below 0");
    sum += stored[i].weight;
  }
  if (!(std::abs(sum - 1.0) < 1e-9))
    throw core::CorruptFile("the weights of the ensemble do not add up to 1");
  if (const std::string doubt = doubt_about_fitted(members, n_features); !doubt.empty())
    throw core::CorruptFile("the ensemble is not well formed: " + doubt);
  members_ = std::move(members);
  n_features_ = n_features;
}

}  // namespace mutirao::models
