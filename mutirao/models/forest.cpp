#include "mutirao/models/forest.hpp"

#include <type_traits>
#include <utility>

#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/internal/forest_fit.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/random_forest.hpp"

namespace mutirao::models {
namespace {

template <class Options>
constexpr bool kRandomThresholds = std::is_same_v<Options, ExtraTreesOptions>;

template <class Base, class Options>
const std::vector<internal::Parameter<Options>>& parameter_table() {
  constexpr bool kClasses = std::is_same_v<Base, Classifier>;
  if constexpr (std::is_same_v<Options, ExtraTreesOptions>) {
    return kClasses ? internal::extra_trees_classifier_parameters()
                    : internal::extra_trees_parameters();
  } else {
    return kClasses ? internal::random_forest_classifier_parameters()
                    : internal::random_forest_parameters();
  }
}

template <class Base, class Options>
Options checked(Options options) {
  return internal::checked_forest_options(
      std::move(options), parameter_table<Base, Options>(), Options::kName,
      std::is_same_v<Base, Classifier> ? data::Task::kClassification : data::Task::kRegression);
}

}  // namespace

template <class Base, class Options>
ForestEstimator<Base, Options>::ForestEstimator(Options options)
    : options_(checked<Base>(std::move(options))) {}

template <class Base, class Options>
void ForestEstimator<Base, Options>::set_n_estimators(std::int64_t n_estimators) {
  Options options = options_;
  options.n_estimators = n_estimators;
  options_ = checked<Base>(std::move(options));
}

template <class Base, class Options>
void ForestEstimator<Base, Options>::fit(const TrainingSet& training, const FitContext& context) {
  std::size_t n_classes = 0;
  if constexpr (std::is_same_v<Base, Classifier>) {
    n_classes = Base::check_classes(training);
  } else {
    Base::check(training);
  }
  const bool warm = options_.warm_start && fitted();
  forest_ = internal::fit_forest(internal::settings_of(options_, kName, kRandomThresholds<Options>),
                                 training, context, n_classes, warm ? &forest_ : nullptr);
}

template <class Base, class Options>
ParameterMap ForestEstimator<Base, Options>::parameters() const {
  return internal::write_parameters(parameter_table<Base, Options>(), options_);
}

template <class Base, class Options>
void ForestEstimator<Base, Options>::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes(), forest_.importances);
}

template <class Base, class Options>
void ForestEstimator<Base, Options>::load(const SectionReader& reader) {
  forest_ = internal::load_forest(reader, this->task());
}

template class ForestEstimator<Estimator, RandomForestOptions>;
template class ForestEstimator<Classifier, RandomForestOptions>;
template class ForestEstimator<Estimator, ExtraTreesOptions>;
template class ForestEstimator<Classifier, ExtraTreesOptions>;

}  // namespace mutirao::models
