#pragma once

// Classes that the rows of a tree are to be told apart by, and what its leaves say; a node is
// loaded as in sum_targets.hpp.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "mutirao/models/internal/class_kernels.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/impurity.hpp"

namespace mutirao::models::internal {

/// Classes, by their counts. Within a node they are numbered anew, as they appear.
class ClassTargets {
 public:
  /// Whether counts are whole numbers that ClassKernels take.
  static bool whole(const Growth& growth) noexcept {
    const TreeTask& task = growth.task;
    return task.impurity == Impurity::kGini && task.n_classes <= kMostCodedClasses &&
           growth.weight <= kMostTotalWeight &&
           std::all_of(task.weights.begin(), task.weights.end(), [](double weight) {
             return weight <= kMostCodedWeight && weight == std::floor(weight);
           });
  }

  void begin(const Growth& growth) {
    const TreeTask& task = growth.task;
    class_of_.resize(task.x.rows());
    weight_of_.resize(task.x.rows());
    for (std::size_t i = 0; i < task.rows.size(); ++i) {
      const std::size_t row = task.rows[i];
      class_of_[row] = static_cast<std::uint16_t>(task.y[row]);
      weight_of_[row] = task.weights.empty() ? 1.0 : task.weights[i];
    }
    whole_ = whole(growth);
    if (whole_) {
      code_of_.resize(task.x.rows());
      for (const std::uint32_t row : task.rows)
        code_of_[row] = class_code(class_of_[row], weight_of_[row]);
    }
    number_.assign(task.n_classes, kNone);
    entropy_ = growth.task.impurity == Impurity::kEntropy;
    distributions_.clear();
  }

  void load(const std::uint32_t* rows, std::size_t n) {
    classes_.resize(std::max(classes_.size(), n));
    weights_.resize(std::max(weights_.size(), n));
    seen_.clear();
    totals_.clear();
    if (whole_) return load_whole(rows, n);
    weight_ = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint16_t c = class_of_[rows[i]];
      if (number_[c] == kNone) {
        number_[c] = static_cast<std::uint32_t>(seen_.size());
        seen_.push_back(c);
        totals_.push_back(0.0);
      }
      classes_[i] = static_cast<std::uint16_t>(number_[c]);
      weights_[i] = weight_of_[rows[i]];
      totals_[classes_[i]] += weights_[i];
      weight_ += weights_[i];
    }
    for (const std::uint16_t c : seen_) number_[c] = kNone;
    measure_ = 0.0;
    for (const double total : totals_) measure_ += entropy_ ? x_log2_x(total) : total * total;
  }
  double weight() const noexcept { return weight_; }
  bool pure() const noexcept { return seen_.size() == 1; }
  bool entropy() const noexcept { return entropy_; }
  /// Classes of the node, and the weight of each.
  std::size_t classes() const noexcept { return seen_.size(); }
  const std::vector<double>& totals() const noexcept { return totals_; }
  /// Sum over the classes of the square of their weight, or of weight x log2(weight).
  double measure() const noexcept { return measure_; }
  double target(std::size_t row) const noexcept { return class_of_[row]; }
  Sums sums_of(std::size_t row) const noexcept { return {.wy = 0.0, .w = weight_of_[row]}; }
  /// Per row of the node.
  const std::uint16_t* class_of() const noexcept { return classes_.data(); }
  const double* weights() const noexcept { return weights_.data(); }

  /// Weight of the node times the fall of weight x impurity, for sides of these weights and
  /// measures; not negative.
  double score(double wl, double left, double wr, double right) const noexcept {
    const double fall =
        entropy_
            ? weight_ * (x_log2_x(weight_) - measure_ - x_log2_x(wl) + left - x_log2_x(wr) + right)
            : weight_ * (left / wl + right / wr) - measure_;
    return std::max(fall, 0.0);
  }

  void leaf(const Growth& growth, GrownNode& node, std::size_t /*n*/) {
    set_value(node, growth.task.n_classes);
    node.gain = entropy_ ? x_log2_x(weight_) - measure_ : weight_ - measure_ / weight_;
    if (growth.task.n_classes < 3) return;
    node.distribution = pure() ? seen_[0] : add_distribution(growth);
  }
  void inner(const Growth& growth, GrownNode& node) {
    set_value(node, growth.task.n_classes);
    // In case it is pruned to a leaf.
    if (growth.task.n_classes >= 3 && growth.limits.ccp_alpha > 0.0)
      node.distribution = add_distribution(growth);
  }
  /// The same for a node of these counts, under the gini impurity and from three classes on.
  void leaf(const Growth& growth, GrownNode& node, const ClassCounts& counts) {
    const auto squares = static_cast<double>(counts.squares);
    node.gain = counts.weight - squares / counts.weight;
    if (counts.pure()) {
      node.distribution = static_cast<std::uint32_t>(
          std::max_element(counts.of.begin(), counts.of.end()) - counts.of.begin());
    } else {
      node.distribution = add_distribution(growth, counts);
    }
  }
  void inner(const Growth& growth, GrownNode& node, const ClassCounts& counts) {
    if (growth.limits.ccp_alpha > 0.0) node.distribution = add_distribution(growth, counts);
  }
  /// Rows of n_classes numbers that nodes refer to.
  const std::vector<double>& distributions() const noexcept { return distributions_; }

  /// Whether all weights are whole numbers, and the classes few.
  bool whole() const noexcept { return whole_; }
  /// If so: the code of a row of x.
  ClassCode code_of(std::size_t row) const noexcept { return code_of_[row]; }
  /// If so: the counts of the node, and the code of each row in it.
  const ClassCounts& counts() const noexcept { return counts_; }
  const ClassCode* codes() const noexcept { return codes_.data(); }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  /// Where numbers of classes do not matter to sums, they are in the order of the classes.
  void load_whole(const std::uint32_t* rows, std::size_t n) {
    codes_.resize(std::max(codes_.size(), n));
    // Rows of one class often follow each other: not all of them wait for one number.
    std::array<ClassCounts, 2> parts;
    for (std::size_t i = 0; i < n; ++i) {
      const ClassCode code = code_of_[rows[i]];
      codes_[i] = code;
      parts[i % 2].of[internal::class_of(code)] += internal::weight_of(code);
    }
    std::array<ClassCode, kMostCodedClasses> number{};
    counts_ = {};
    for (std::size_t c = 0; c < kMostCodedClasses; ++c) {
      const std::uint32_t count = parts[0].of[c] + parts[1].of[c];
      if (count == 0) continue;
      number[c] = static_cast<ClassCode>(seen_.size());
      counts_.of[seen_.size()] = count;
      seen_.push_back(static_cast<std::uint16_t>(c));
      totals_.push_back(count);
    }
    counts_.add_up();
    weight_ = counts_.weight;
    measure_ = static_cast<double>(counts_.squares);
    for (std::size_t i = 0; i < n; ++i) {
      const ClassCode code = codes_[i];
      classes_[i] = number[internal::class_of(code)];
      weights_[i] = internal::weight_of(code);
      codes_[i] = static_cast<ClassCode>((code & ~(kMostCodedClasses - 1)) | classes_[i]);
    }
  }

  void set_value(GrownNode& node, std::size_t n_classes) const noexcept {
    if (n_classes >= 3) return;
    node.value = 0.0;
    for (std::size_t c = 0; c < seen_.size(); ++c) {
      if (seen_[c] == 1) node.value = totals_[c] / weight_;
    }
  }
  std::uint32_t add_distribution(const Growth& growth) {
    const std::size_t n_classes = growth.task.n_classes;
    const std::size_t row = distributions_.size() / n_classes;
    distributions_.resize(distributions_.size() + n_classes, 0.0);
    for (std::size_t c = 0; c < seen_.size(); ++c)
      distributions_[row * n_classes + seen_[c]] = totals_[c] / weight_;
    return static_cast<std::uint32_t>(n_classes + row);
  }
  std::uint32_t add_distribution(const Growth& growth, const ClassCounts& counts) {
    const std::size_t n_classes = growth.task.n_classes;
    const std::size_t row = distributions_.size() / n_classes;
    for (std::size_t c = 0; c < n_classes; ++c)
      distributions_.push_back(static_cast<double>(counts.of[c]) / counts.weight);
    return static_cast<std::uint32_t>(n_classes + row);
  }

  std::vector<std::uint16_t> class_of_;  // per row of x
  std::vector<double> weight_of_;
  std::vector<ClassCode> code_of_;  // if whole_
  std::vector<ClassCode> codes_;    // per row of the node
  ClassCounts counts_;
  bool whole_ = false;
  std::vector<std::uint16_t> classes_;  // per row of the node
  std::vector<double> weights_;
  std::vector<std::uint16_t> seen_;  // the classes of the node
  std::vector<double> totals_;
  std::vector<std::uint32_t> number_;  // per class, while a node is loaded
  std::vector<double> distributions_;
  double weight_ = 0.0;
  double measure_ = 0.0;
  bool entropy_ = false;
};

}  // namespace mutirao::models::internal
