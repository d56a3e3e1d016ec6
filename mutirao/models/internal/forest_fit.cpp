#include "mutirao/models/internal/forest_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/level_effects.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/metrics.hpp"

namespace mutirao::models::internal {
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

std::size_t draws_of(const ForestSettings& settings, std::size_t n_rows) {
  if (!*settings.max_samples) return n_rows;
  if (const auto* count = std::get_if<std::int64_t>(&**settings.max_samples)) {
    if (static_cast<std::size_t>(*count) > n_rows) {
      throw core::InvalidArgument(
          fmt::format("{}.max_samples is {}, but there are {} rows", settings.name, *count, n_rows),
          "give at most the number of training rows, or a fraction of them");
    }
    return static_cast<std::size_t>(*count);
  }
  const double rows = std::get<double>(**settings.max_samples) * static_cast<double>(n_rows);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::nearbyint(rows)));
}

/// Predicts every row by the trees whose bag it was not in, which are drawn again to know it.
void score_out_of_bag(Forest& forest, const TrainingSet& training, const WeightedRows& all,
                      std::uint64_t seed, std::size_t draws) {
  const std::size_t n = all.rows.size();
  const std::size_t n_classes = forest.nodes.n_classes();
  const std::size_t width = std::max<std::size_t>(1, n_classes);
  std::vector<double> sum(n * width, 0.0);
  std::vector<double> count(n, 0.0);
  std::vector<std::uint32_t> times(n);
  std::vector<std::uint32_t> outside;
  std::vector<std::uint32_t> outside_rows;
  std::vector<double> predicted;
  for (std::size_t tree = 0; tree < forest.nodes.trees(); ++tree) {
    draw(seed, tree, draws, times);
    outside.clear();
    outside_rows.clear();
    for (std::size_t i = 0; i < n; ++i) {
      if (times[i] != 0) continue;
      outside.push_back(static_cast<std::uint32_t>(i));
      outside_rows.push_back(all.rows[i]);
    }
    predicted.assign(outside.size() * width, 0.0);
    if (n_classes == 0) {
      forest.nodes.add_predictions(tree, training.x, outside_rows, predicted);
    } else {
      forest.nodes.add_distributions(tree, training.x, outside_rows, predicted);
    }
    for (std::size_t k = 0; k < outside.size(); ++k) {
      for (std::size_t c = 0; c < width; ++c)
        sum[outside[k] * width + c] += predicted[k * width + c];
      count[outside[k]] += 1.0;
    }
  }
  std::vector<double> truth;
  std::vector<double> seen;
  forest.oob_prediction.assign(n * width, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < n; ++i) {
    if (count[i] == 0.0) continue;
    double* row = forest.oob_prediction.data() + i * width;
    for (std::size_t c = 0; c < width; ++c) row[c] = sum[i * width + c] / count[i];
    truth.push_back(training.y[all.rows[i]]);
    seen.push_back(n_classes == 0 ? *row
                                  : static_cast<double>(std::max_element(row, row + width) - row));
  }
  if (n_classes == 0) {
    forest.oob_score = r2_score(truth, seen);
    return;
  }
  double right = 0.0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += truth[i] == seen[i] ? 1.0 : 0.0;
  forest.oob_score = right / static_cast<double>(truth.size());
}

/// The trees of both, and the mean of all their importances.
void append(Forest& forest, const Forest& before, std::vector<GrownTree>& trees,
            std::size_t n_features, std::size_t n_classes, exec::CoreBudget& budget,
            std::size_t max_cores) {
  // Those that are there already are taken apart again: the file of trees has one owner.
  std::vector<GrownTree> all;
  const std::span<const std::uint64_t> words = before.nodes.words();
  const std::span<const TreeNodes::Root> roots = before.nodes.roots();
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const std::uint64_t last = i + 1 < roots.size() ? roots[i + 1].first : words.size();
    GrownTree tree;
    tree.words.assign(words.begin() + static_cast<std::ptrdiff_t>(roots[i].first),
                      words.begin() + static_cast<std::ptrdiff_t>(last));
    tree.root_is_leaf = roots[i].is_leaf != 0;
    all.push_back(std::move(tree));
  }
  if (!all.empty())
    all[0].distributions.assign(before.nodes.distributions().begin(),
                                before.nodes.distributions().end());
  for (GrownTree& tree : trees) all.push_back(std::move(tree));
  forest.importance_sums = before.importance_sums;
  forest.importance_sums.resize(n_features, 0.0);
  forest.nodes = join_trees(all, n_features, n_classes, forest.importance_sums, budget, max_cores);
  forest.importances = forest.importance_sums;
  normalise(forest.importances);
}

}  // namespace

Impurity impurity_of(const TreeOptions& options) {
  if (options.criterion == "squared_error") return Impurity::kSquaredError;
  return options.criterion == "gini" ? Impurity::kGini : Impurity::kEntropy;
}

TreeTables::TreeTables(const TrainingSet& training, const WeightedRows& rows, std::size_t n_classes,
                       const TreeOptions& options, const GrowthLimits& limits,
                       bool random_thresholds, bool one_tree, exec::CoreBudget& budget,
                       std::size_t max_cores)
    : training_(training),
      n_classes_(n_classes),
      impurity_(impurity_of(options)),
      levels_(learn_level_orders(training, rows, n_classes, budget, max_cores)),
      ranked_(training.ranked) {
  const SeenMatrix seen(training.x, levels_);
  if (random_thresholds) {
    row_values_.emplace(seen, budget, max_cores);
    return;
  }
  if (ranked_ == nullptr) ranked_ = &own_ranks_.emplace(training.x, &budget, max_cores);
  if (!levels_.empty()) {
    RankedMatrix reordered(*ranked_, training.x, levels_);
    ranked_ = &own_ranks_.emplace(std::move(reordered));
  }
  const bool sums = grown_on_sums(n_classes, impurity_);
  if (!sums || (!one_tree && looks_at_few(limits, training.x.cols))) {
    row_ranks_.emplace(*ranked_, budget, max_cores);
  } else {
    coded_ = CodedRows::make(seen, *ranked_, rows.rows.size(), budget, max_cores);
  }
}

TreeTask TreeTables::task(const WeightedRows& rows, std::uint64_t seed,
                          std::stop_token stop) const {
  return {.x = {training_.x, levels_},
          .ranked = ranked_,
          .coded = coded_.get(),
          .row_ranks = row_ranks_ ? &*row_ranks_ : nullptr,
          .row_values = row_values_ ? &*row_values_ : nullptr,
          .y = training_.y,
          .n_classes = n_classes_,
          .impurity = impurity_,
          .rows = rows.rows,
          .weights = rows.weights,
          .seed = seed,
          .instruction_set = core::instruction_set(),
          .stop = std::move(stop)};
}

void balance(WeightedRows& rows, std::span<const double> y, std::size_t n_classes,
             std::span<const std::uint32_t> times) {
  std::vector<double> count(n_classes, 0.0);
  double total = 0.0;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const double n = times.empty() ? 1.0 : times[i];
    count[static_cast<std::size_t>(y[rows.rows[i]])] += n;
    total += n;
  }
  const auto present = static_cast<double>(
      std::count_if(count.begin(), count.end(), [](double n) { return n > 0.0; }));
  rows.weights.resize(rows.rows.size(), 1.0);
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    rows.weights[i] *= total / (present * count[static_cast<std::size_t>(y[rows.rows[i]])]);
}

Forest load_forest(const SectionReader& reader, data::Task task) {
  Forest forest;
  forest.nodes = load_trees(reader, forest.importances, task);
  return forest;
}

Forest fit_forest(const ForestSettings& settings, const TrainingSet& training,
                  const FitContext& context, std::size_t n_classes, const Forest* grown) {
  check_ranks(training);
  exec::CoreBudget& budget =
      context.budget != nullptr ? *context.budget : exec::CoreBudget::current();
  const TreeOptions& options = *settings.tree;
  WeightedRows all = weighted_rows(training);
  const std::size_t n = all.rows.size();
  const std::size_t draws = draws_of(settings, n);
  const GrowthLimits limits = limits_for(options, n, training.x.cols);
  const bool per_tree = options.class_weight == "balanced_subsample" && settings.bootstrap;
  if (options.class_weight != "none" && !per_tree) balance(all, training.y, n_classes);
  const auto n_trees = static_cast<std::size_t>(settings.n_estimators);
  const std::size_t n_grown = grown != nullptr ? grown->nodes.trees() : 0;
  if (n_grown > n_trees) {
    throw core::InvalidArgument(
        fmt::format("{}.n_estimators is {}, but {} trees have been grown", settings.name, n_trees,
                    n_grown),
        "warm_start only adds trees: raise n_estimators, or fit another estimator");
  }
  if (grown != nullptr && (grown->nodes.n_features() != training.x.cols ||
                           grown->nodes.n_classes() != n_classes || grown->seed != context.seed)) {
    throw core::InvalidArgument(
        fmt::format("the trees of this {} were grown on other columns or classes, or with another "
                    "seed",
                    settings.name),
        "warm_start needs the training set and the seed of the first fit");
  }
  const TreeTables tables(training, all, n_classes, options, limits, settings.random_thresholds,
                          false, budget, context.max_cores);

  if (grown != nullptr && grown->nodes.level_orders() != tables.levels()) {
    throw core::InvalidArgument(
        fmt::format("the trees of this {} were grown on another training set", settings.name),
        "warm_start needs the training set and the seed of the first fit");
  }

  struct Lane {
    TreeScratch scratch;
    std::vector<std::uint32_t> times;
    std::vector<std::uint32_t> bag_times;
    WeightedRows bag;
  };
  std::vector<Lane> lanes(std::max<std::size_t>(1, budget.cores()));
  std::vector<GrownTree> trees(n_trees - n_grown);
  // Whether a tree is there; a stop may leave holes, where trees of other lanes were begun later.
  std::vector<std::uint8_t> grown_whole(trees.size(), 0);
  const bool keeps = static_cast<bool>(context.keep_trees);
  std::mutex progress_mutex;
  std::uint64_t done = n_grown;
  budget.for_each(
      trees.size(),
      [&](std::size_t unit, std::size_t lane_index) {
        if (keeps && context.stop.stop_requested()) return;
        const std::size_t tree = n_grown + unit;
        Lane& lane = lanes[lane_index];
        const WeightedRows* bag = &all;
        if (settings.bootstrap) {
          lane.times.resize(n);
          draw(context.seed, tree, draws, lane.times);
          lane.bag.rows.clear();
          lane.bag.weights.clear();
          lane.bag_times.clear();
          for (std::size_t i = 0; i < n; ++i) {
            if (lane.times[i] == 0) continue;
            const double weight = all.weights.empty() ? 1.0 : all.weights[i];
            lane.bag.rows.push_back(all.rows[i]);
            lane.bag.weights.push_back(weight * lane.times[i]);
            if (per_tree) lane.bag_times.push_back(lane.times[i]);
          }
          if (per_tree) balance(lane.bag, training.y, n_classes, lane.bag_times);
          bag = &lane.bag;
        }
        const std::uint64_t seed = core::RandomStream({context.seed, kGrowthStream, tree}).next();
        try {
          trees[unit] = grow_tree(tables.task(*bag, seed, context.stop), limits, lane.scratch);
        } catch (const core::Error& error) {
          if (!keeps || error.code() != core::ErrorCode::kCancelled) throw;
          return;
        }
        grown_whole[unit] = 1;
        if (context.progress) {
          const std::lock_guard lock(progress_mutex);
          context.progress(++done, n_trees);
        }
      },
      context.max_cores);
  std::vector<Lane>().swap(lanes);  // before the trees are copied into one place

  const auto kept = static_cast<std::size_t>(std::find(grown_whole.begin(), grown_whole.end(), 0) -
                                             grown_whole.begin());
  if (kept < trees.size()) {
    if (n_grown + kept == 0) throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
    trees.resize(kept);
    context.keep_trees(n_grown + kept, n_trees);
  }

  Forest forest;
  append(forest, grown != nullptr ? *grown : Forest{}, trees, training.x.cols, n_classes, budget,
         context.max_cores);
  forest.nodes.set_level_orders(tables.levels());
  forest.seed = context.seed;
  if (settings.oob_score) score_out_of_bag(forest, training, all, context.seed, draws);
  return forest;
}

}  // namespace mutirao::models::internal
