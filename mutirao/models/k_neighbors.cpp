#include "mutirao/models/k_neighbors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/neighbour_rows.hpp"
#include "mutirao/models/internal/neighbours_parameters.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models {
namespace {

constexpr std::string_view kEstimator = "k_neighbors";

std::shared_ptr<const internal::NeighbourRows> rows_of(const TrainingSet& training,
                                                       const KNeighborsOptions& options,
                                                       const FitContext& context) {
  internal::throw_if_stopped(context);
  auto rows =
      std::make_shared<const internal::NeighbourRows>(training, static_cast<int>(options.p));
  if (static_cast<std::size_t>(options.n_neighbors) > rows->rows()) {
    throw core::InvalidArgument(fmt::format("{}.n_neighbors is {}, but there are {} rows",
                                            kEstimator, options.n_neighbors, rows->rows()),
                                "give at most the number of training rows");
  }
  if (context.progress) context.progress(1, 1);
  return rows;
}

std::shared_ptr<const internal::NeighbourRows> rows_of(const SectionReader& reader,
                                                       const KNeighborsOptions& options) {
  auto rows = std::make_shared<const internal::NeighbourRows>(reader, static_cast<int>(options.p));
  if (static_cast<std::size_t>(options.n_neighbors) > rows->rows())
    throw core::CorruptFile("the model has fewer rows than neighbours");
  return rows;
}

}  // namespace

KNeighborsRegressor::KNeighborsRegressor(Options options) : options_(std::move(options)) {
  internal::check_options(kName, internal::k_neighbors_parameters(), options_);
}

void KNeighborsRegressor::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  rows_ = rows_of(training, options_, context);
}

std::size_t KNeighborsRegressor::n_features() const noexcept {
  return rows_ == nullptr ? 0 : rows_->cols();
}

ParameterMap KNeighborsRegressor::parameters() const {
  return internal::write_parameters(internal::k_neighbors_parameters(), options_);
}

std::unique_ptr<Estimator> KNeighborsRegressor::clone() const {
  return std::make_unique<KNeighborsRegressor>(options_);
}

void KNeighborsRegressor::predict_rows(data::MatrixView x,
                                       std::optional<std::span<const std::uint32_t>> rows,
                                       std::span<double> out, exec::CoreBudget& budget) const {
  const std::span<const double> y = rows_->y();
  rows_->search(x, rows, out.size(), static_cast<std::size_t>(options_.n_neighbors),
                options_.weights == "distance", budget,
                [&](std::size_t i, std::span<const internal::Neighbour> neighbours,
                    std::span<const double> counts) {
                  double sum = 0.0;
                  for (std::size_t k = 0; k < counts.size(); ++k)
                    sum += counts[k] * y[neighbours[k].row];
                  out[i] = sum;
                });
}

void KNeighborsRegressor::save(SectionWriter& writer) const { rows_->save(writer); }

void KNeighborsRegressor::load(const SectionReader& reader) { rows_ = rows_of(reader, options_); }

KNeighborsClassifier::KNeighborsClassifier(Options options) : options_(std::move(options)) {
  internal::check_options(kName, internal::k_neighbors_parameters(), options_);
}

void KNeighborsClassifier::fit(const TrainingSet& training, const FitContext& context) {
  const std::size_t classes = check_classes(training);
  rows_ = rows_of(training, options_, context);
  n_classes_ = classes;
}

std::size_t KNeighborsClassifier::n_features() const noexcept {
  return rows_ == nullptr ? 0 : rows_->cols();
}

ParameterMap KNeighborsClassifier::parameters() const {
  return internal::write_parameters(internal::k_neighbors_parameters(), options_);
}

std::unique_ptr<Estimator> KNeighborsClassifier::clone() const {
  return std::make_unique<KNeighborsClassifier>(options_);
}

void KNeighborsClassifier::predict_proba_rows(data::MatrixView x,
                                              std::optional<std::span<const std::uint32_t>> rows,
                                              std::span<double> out,
                                              exec::CoreBudget& budget) const {
  const std::span<const double> y = rows_->y();
  std::fill(out.begin(), out.end(), 0.0);
  rows_->search(x, rows, out.size() / n_classes_, static_cast<std::size_t>(options_.n_neighbors),
                options_.weights == "distance", budget,
                [&](std::size_t i, std::span<const internal::Neighbour> neighbours,
                    std::span<const double> counts) {
                  double* probabilities = out.data() + i * n_classes_;
                  for (std::size_t k = 0; k < counts.size(); ++k)
                    probabilities[static_cast<std::size_t>(y[neighbours[k].row])] += counts[k];
                });
}

void KNeighborsClassifier::save(SectionWriter& writer) const {
  rows_->save(writer);
  const std::array<std::uint64_t, 1> classes = {n_classes_};
  writer.keep("classes", std::span<const std::uint64_t>(classes));
}

void KNeighborsClassifier::load(const SectionReader& reader) {
  auto rows = rows_of(reader, options_);
  const std::span<const std::uint64_t> classes = reader.get<std::uint64_t>("classes");
  const bool whole = classes.size() == 1 && classes[0] >= 1 && classes[0] <= 65536 &&
                     std::all_of(rows->y().begin(), rows->y().end(), [&](double y) {
                       return y >= 0.0 && y == std::floor(y) && y < static_cast<double>(classes[0]);
                     });
  if (!whole) throw core::CorruptFile("the classes are not well formed");
  rows_ = std::move(rows);
  n_classes_ = classes[0];
}

}  // namespace mutirao::models
