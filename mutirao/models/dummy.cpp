#include "mutirao/models/dummy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/dummy_parameters.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/internal/training_rows.hpp"

namespace mutirao::models {
namespace {

double mean_of(const TrainingSet& training) {
  // Of long doubles: the sum of numbers near the largest double is still one.
  long double sum = 0.0L;
  long double total = 0.0L;
  internal::for_each_row(training, [&](std::size_t row, double weight) {
    sum += static_cast<long double>(weight) * training.y[row];
    total += weight;
  });
  return static_cast<double>(sum / total);
}

/// The middle of what is at half of the weight: between two values if half is reached exactly.
double median_of(const TrainingSet& training) {
  std::vector<std::pair<double, double>> values;
  long double total = 0.0L;
  internal::for_each_row(training, [&](std::size_t row, double weight) {
    values.emplace_back(training.y[row], weight);
    total += weight;
  });
  std::sort(values.begin(), values.end());
  long double below = 0.0L;
  for (std::size_t i = 0; i < values.size(); ++i) {
    below += values[i].second;
    if (2.0L * below < total) continue;
    const double next =
        2.0L * below == total && i + 1 < values.size() ? values[i + 1].first : values[i].first;
    return values[i].first / 2.0 + next / 2.0;
  }
  return values.back().first;
}

}  // namespace

DummyRegressor::DummyRegressor(Options options) : options_(std::move(options)) {
  internal::check_options(kName, internal::dummy_regressor_parameters(), options_);
}

void DummyRegressor::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  constant_ = options_.strategy == "mean" ? mean_of(training) : median_of(training);
  n_features_ = training.x.cols;
  if (context.progress) context.progress(1, 1);
}

ParameterMap DummyRegressor::parameters() const {
  return internal::write_parameters(internal::dummy_regressor_parameters(), options_);
}

std::unique_ptr<Estimator> DummyRegressor::clone() const {
  return std::make_unique<DummyRegressor>(options_);
}

void DummyRegressor::predict_rows(data::MatrixView /*x*/,
                                  std::optional<std::span<const std::uint32_t>> /*rows*/,
                                  std::span<double> out, exec::CoreBudget& /*budget*/) const {
  std::fill(out.begin(), out.end(), constant_);
}

void DummyRegressor::save(SectionWriter& writer) const {
  const std::array<double, 2> values = {constant_, static_cast<double>(n_features_)};
  writer.keep("constant_features", std::span<const double>(values));
}

void DummyRegressor::load(const SectionReader& reader) {
  const std::span<const double> values = reader.get<double>("constant_features");
  if (values.size() != 2 || !std::isfinite(values[0]) || !(values[1] >= 1.0 && values[1] < 0x1p53))
    throw core::CorruptFile("the baseline is not well formed");
  constant_ = values[0];
  n_features_ = static_cast<std::size_t>(values[1]);
}

DummyClassifier::DummyClassifier(Options options) : options_(std::move(options)) {
  internal::check_options(kName, internal::dummy_classifier_parameters(), options_);
}

void DummyClassifier::fit(const TrainingSet& training, const FitContext& context) {
  std::vector<double> weights(check_classes(training), 0.0);
  double total = 0.0;
  double largest = 0.0;
  internal::for_each_row(training,
                         [&](std::size_t, double weight) { largest = std::max(largest, weight); });
  internal::for_each_row(training, [&](std::size_t row, double weight) {
    weights[static_cast<std::size_t>(training.y[row])] += weight / largest;
    total += weight / largest;
  });
  for (double& weight : weights) weight /= total;
  if (options_.strategy == "most_frequent") {
    const auto commonest = std::max_element(weights.begin(), weights.end());
    std::fill(weights.begin(), commonest, 0.0);
    std::fill(commonest, weights.end(), 0.0);
    *commonest = 1.0;
  }
  prior_ = std::move(weights);
  n_features_ = training.x.cols;
  if (context.progress) context.progress(1, 1);
}

ParameterMap DummyClassifier::parameters() const {
  return internal::write_parameters(internal::dummy_classifier_parameters(), options_);
}

std::unique_ptr<Estimator> DummyClassifier::clone() const {
  return std::make_unique<DummyClassifier>(options_);
}

void DummyClassifier::predict_proba_rows(data::MatrixView /*x*/,
                                         std::optional<std::span<const std::uint32_t>> /*rows*/,
                                         std::span<double> out,
                                         exec::CoreBudget& /*budget*/) const {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = prior_[i % prior_.size()];
}

void DummyClassifier::save(SectionWriter& writer) const {
  writer.add("class_prior", std::span<const double>(prior_));
  const std::array<std::uint64_t, 1> features = {n_features_};
  writer.keep("features", std::span<const std::uint64_t>(features));
}

void DummyClassifier::load(const SectionReader& reader) {
  const std::span<const double> prior = reader.get<double>("class_prior");
  const std::span<const std::uint64_t> features = reader.get<std::uint64_t>("features");
  const bool shares = std::all_of(prior.begin(), prior.end(),
                                  [](double share) { return share >= 0.0 && share <= 1.0; });
  if (prior.empty() || !shares || features.size() != 1 || features[0] == 0)
    throw core::CorruptFile("the baseline is not well formed");
  prior_.assign(prior.begin(), prior.end());
  n_features_ = features[0];
}

}  // namespace mutirao::models
