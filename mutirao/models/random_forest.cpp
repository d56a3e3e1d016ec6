#include "mutirao/models/random_forest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/coded_rows.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/internal/tree_options.hpp"
#include "mutirao/models/metrics.hpp"

namespace mutirao::models {
namespace {

// What a tree's random numbers are for.
constexpr std::uint64_t kBootstrapStream = 1;
constexpr std::uint64_t kGrowthStream = 2;

/// How often each of n rows is drawn for tree i.
void draw(std::uint64_t seed, std::size_t tree, std::size_t draws,
          std::vector<std::uint32_t>& times) {
  core::RandomStream stream({seed, kBootstrapStream, tree});
  std::fill(times.begin(), times.end(), 0U);
  for (std::size_t i = 0; i < draws; ++i) ++times[stream.below(times.size())];
}

std::size_t draws_of(const RandomForestOptions& options, std::size_t n_rows) {
  if (!options.max_samples) return n_rows;
  if (const auto* count = std::get_if<std::int64_t>(&*options.max_samples)) {
    if (static_cast<std::size_t>(*count) > n_rows) {
      throw core::InvalidArgument(
          fmt::format("random_forest.max_samples is {}, but there are {} rows", *count, n_rows),
          "give at most the number of training rows, or a fraction of them");
    }
    return static_cast<std::size_t>(*count);
  }
  const double rows = std::get<double>(*options.max_samples) * static_cast<double>(n_rows);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::nearbyint(rows)));
}

void check_options(const RandomForestOptions& options, std::string_view estimator) {
  const auto refuse = [&](const char* name, const std::string& value, const char* complaint) {
    for (const auto& parameter : internal::random_forest_parameters()) {
      if (parameter.info.name == name)
        internal::throw_bad_value(estimator, parameter.info, value, complaint);
    }
  };
  if (options.n_estimators < 1)
    refuse("n_estimators", text_of(options.n_estimators), "is out of range");
  if (options.max_samples) {
    const std::string text = text_of(*options.max_samples);
    if (!options.bootstrap) refuse("max_samples", text, "is given without bootstrap");
    const auto* count = std::get_if<std::int64_t>(&*options.max_samples);
    const double fraction = count == nullptr ? std::get<double>(*options.max_samples) : 1.0;
    if ((count != nullptr && *count < 1) || !(fraction > 0.0 && fraction <= 1.0))
      refuse("max_samples", text, "is out of range");
  }
  if (options.oob_score && !options.bootstrap)
    refuse("oob_score", "true", "is given without bootstrap");
  check_options(options.tree, estimator);
}

}  // namespace

RandomForestRegressor::RandomForestRegressor(Options options)
    : options_(std::move(options)), oob_score_(std::numeric_limits<double>::quiet_NaN()) {
  check_options(options_, name());
}

void RandomForestRegressor::fit(const TrainingSet& training, const FitContext& context) {
  Estimator::check(training);
  internal::check_ranks(training);
  exec::CoreBudget& budget =
      context.budget != nullptr ? *context.budget : exec::CoreBudget::current();
  std::optional<RankedMatrix> own_ranks;
  if (training.ranked == nullptr) own_ranks.emplace(training.x, &budget, context.max_cores);
  const RankedMatrix& ranked = training.ranked != nullptr ? *training.ranked : *own_ranks;
  const internal::WeightedRows all = internal::weighted_rows(training);
  const std::size_t n = all.rows.size();
  const std::size_t draws = draws_of(options_, n);
  const internal::GrowthLimits limits = internal::limits_for(options_.tree, n, training.x.cols);
  const auto n_trees = static_cast<std::size_t>(options_.n_estimators);

  const std::unique_ptr<const internal::CodedRows> coded =
      internal::CodedRows::make(training.x, ranked, n, budget, context.max_cores);

  struct Lane {
    internal::TreeScratch scratch;
    std::vector<std::uint32_t> times;
    internal::WeightedRows bag;
  };
  std::vector<Lane> lanes(std::max<std::size_t>(1, budget.cores()));
  std::vector<internal::GrownTree> trees(n_trees);
  std::mutex progress_mutex;
  std::uint64_t done = 0;
  budget.for_each(
      n_trees,
      [&](std::size_t tree, std::size_t lane_index) {
        Lane& lane = lanes[lane_index];
        const internal::WeightedRows* bag = &all;
        if (options_.bootstrap) {
          lane.times.resize(n);
          draw(context.seed, tree, draws, lane.times);
          lane.bag.rows.clear();
          lane.bag.weights.clear();
          for (std::size_t i = 0; i < n; ++i) {
            if (lane.times[i] == 0) continue;
            const double weight = all.weights.empty() ? 1.0 : all.weights[i];
            lane.bag.rows.push_back(all.rows[i]);
            lane.bag.weights.push_back(weight * lane.times[i]);
          }
          bag = &lane.bag;
        }
        const internal::TreeTask task{
            .x = training.x,
            .ranked = &ranked,
            .coded = coded.get(),
            .y = training.y,
            .rows = bag->rows,
            .weights = bag->weights,
            .seed = core::RandomStream({context.seed, kGrowthStream, tree}).next(),
            .instruction_set = core::instruction_set(),
            .stop = context.stop};
        trees[tree] = internal::grow_tree(task, limits, lane.scratch);
        if (context.progress) {
          const std::lock_guard lock(progress_mutex);
          context.progress(++done, n_trees);
        }
      },
      context.max_cores);

  nodes_ = internal::join_trees(trees, training.x.cols, 0, importances_, budget, context.max_cores);
  oob_score_ = std::numeric_limits<double>::quiet_NaN();
  oob_prediction_.clear();
  if (!options_.oob_score) return;

  // Every row is predicted by the trees whose bag it was not in, which are drawn again to know it.
  std::vector<double> sum(n, 0.0);
  std::vector<double> count(n, 0.0);
  std::vector<std::uint32_t> times(n);
  std::vector<std::uint32_t> outside;
  std::vector<std::uint32_t> outside_rows;
  std::vector<double> predicted;
  for (std::size_t tree = 0; tree < n_trees; ++tree) {
    draw(context.seed, tree, draws, times);
    outside.clear();
    outside_rows.clear();
    for (std::size_t i = 0; i < n; ++i) {
      if (times[i] != 0) continue;
      outside.push_back(static_cast<std::uint32_t>(i));
      outside_rows.push_back(all.rows[i]);
    }
    predicted.assign(outside.size(), 0.0);
    nodes_.add_predictions(tree, training.x, outside_rows, predicted);
    for (std::size_t k = 0; k < outside.size(); ++k) {
      sum[outside[k]] += predicted[k];
      count[outside[k]] += 1.0;
    }
  }
  std::vector<double> truth;
  std::vector<double> seen;
  oob_prediction_.assign(n, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < n; ++i) {
    if (count[i] == 0.0) continue;
    oob_prediction_[i] = sum[i] / count[i];
    truth.push_back(training.y[all.rows[i]]);
    seen.push_back(oob_prediction_[i]);
  }
  oob_score_ = r2_score(truth, seen);
}

ParameterMap RandomForestRegressor::parameters() const {
  return internal::write_parameters(internal::random_forest_parameters(), options_);
}

std::unique_ptr<Estimator> RandomForestRegressor::clone() const {
  return std::make_unique<RandomForestRegressor>(options_);
}

void RandomForestRegressor::predict_rows(data::MatrixView x,
                                         std::optional<std::span<const std::uint32_t>> rows,
                                         std::span<double> out, exec::CoreBudget& budget) const {
  nodes_.predict_mean(x, rows, out, budget);
}

void RandomForestRegressor::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes_, importances_);
}

void RandomForestRegressor::load(const SectionReader& reader) {
  std::vector<double> importances;
  nodes_ = internal::load_trees(reader, importances);
  importances_ = std::move(importances);
}

}  // namespace mutirao::models
