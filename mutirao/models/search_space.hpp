#pragma once

// What a random search draws the parameters of an estimator from.
//
// Purpose: the ranges that are worth trying, beside the registry, and reproducible draws from them.
// Guarantees: draw() is a pure function of its arguments, the same on every processor: a draw does
// not depend on others, nor the value of a parameter on which others are fixed. Draw 0 is the fixed
// parameters alone, all others having their defaults, so a search that includes it is never worse
// off for bad luck. Whatever is drawn can be made by make_estimator(). Numbers that are no integers
// have four significant digits. Thread safety: pure functions. Failure: core::InvalidArgument for
// an estimator that is not there.
//
// Source of the ranges: Bischl et al. 2023, "Hyperparameter optimization", and Grinsztajn et al.
// 2022, "Why do tree-based models still outperform deep learning on tabular data?"; both narrowed
// to where a few draws find something. docs/search.md has them.
//
//   const SearchSpace& space = search_space("random_forest", data::Task::kRegression);
//   for (std::uint64_t i = 0; i < 20; ++i) try_out(draw(space, {}, seed, "random_forest", i));

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/parameters.hpp"

namespace mutirao::models {

/// What one parameter is drawn from.
struct Distribution {
  enum class Kind : std::uint8_t {
    kUniform,     ///< a number from least to most
    kLogUniform,  ///< a number whose logarithm is uniform
    kInteger,     ///< an integer from least to most, each as likely
    kLogInteger,  ///< an integer: that below a number whose logarithm is uniform up to most + 1
    kChoice,      ///< one of `choices`, each as likely
  };

  std::string parameter;
  Kind kind = Kind::kUniform;
  double least = 0.0;  ///< above 0 where logarithms are uniform
  double most = 1.0;
  std::vector<std::string> choices = {};

  /// The value, as text, at a place from 0 up to but not including 1.
  std::string value_at(double place) const;
  /// "log-uniform, 0.01 to 0.3"; for people.
  std::string text() const;
};

using SearchSpace = std::vector<Distribution>;

/// Empty for an estimator that has nothing to search: linear_regression and baseline.
const SearchSpace& search_space(std::string_view name, data::Task task);

/// Draw `number` of the candidate `label`: the fixed parameters and, from draw 1 on, a value for
/// every other parameter of the space.
ParameterMap draw(const SearchSpace& space, const ParameterMap& fixed, std::uint64_t seed,
                  std::string_view label, std::uint64_t number);

}  // namespace mutirao::models
