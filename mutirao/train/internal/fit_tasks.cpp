#include "mutirao/train/internal/fit_tasks.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include <malloc.h>

#include "mutirao/core/clock.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/exec/cancellation.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/progress.hpp"
#include "mutirao/models/ensemble_selection.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/internal/fold_file.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train::internal {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostReady = 16;  // processes that wait for a fit, and at most one per core
constexpr double kGraceShare = 0.04;    // of a time limit

/// How long a fit that was asked to end may go on, to keep what it has.
std::chrono::milliseconds grace_of(const TrainConfig& config) {
  const std::chrono::duration<double> share(config.time_limit.value_or(0.0) * kGraceShare);
  return std::max(100ms, std::chrono::duration_cast<std::chrono::milliseconds>(share));
}

/// A process that does one fit has no need to hand memory back in between, and to be given it anew
/// page by page.
void keep_freed_memory() {
  constexpr int kBytes = 256 << 20;
  ::mallopt(M_TRIM_THRESHOLD, kBytes);
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TOP_PAD, 4 << 20);
}

/// What a task has taken since it began.
class Meter {
 public:
  double seconds() const { return core::seconds_since(start_); }
  void write(FitResult& result) const {
    result.seconds = seconds();
    result.cpu_seconds = core::cpu_seconds() - cpu_start_;
    result.peak_rss_bytes = core::peak_resident_bytes();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const double cpu_start_ = core::cpu_seconds();
};

std::vector<double> gather(const core::SharedArray<double>& values,
                           std::span<const std::uint32_t> rows) {
  std::vector<double> taken;
  if (values.empty()) return taken;
  taken.reserve(rows.size());
  for (const std::uint32_t row : rows) taken.push_back(values[row]);
  return taken;
}

/// A fitted estimator and the encoder of its columns.
struct Fitted {
  data::FeatureEncoder encoder;
  std::shared_ptr<models::Estimator> estimator;
  bool on_shared_codes = false;  // the encoder is that of data.codes
  std::vector<std::string> warnings;
  std::uint64_t trees_kept = 0;
  std::uint64_t trees_asked = 0;
};

/// A token that asks to stop when the task is asked to, or when time is up.
class StopInTime {
 public:
  explicit StopInTime(double seconds) {
    if (seconds <= 0.0) return;
    timer_ = std::jthread([this, seconds](const std::stop_token& ended) {
      std::mutex mutex;
      std::condition_variable_any wake;
      std::unique_lock lock(mutex);
      wake.wait_for(lock, ended, std::chrono::duration<double>(seconds), [] { return false; });
      if (!ended.stop_requested()) source_.request_stop();
    });
  }
  std::stop_token token() const noexcept { return source_.get_token(); }

 private:
  struct Request {
    std::stop_source& source;
    void operator()() const noexcept { source.request_stop(); }
  };

  std::stop_source source_;
  const std::stop_callback<Request> asked_{exec::this_task::stop_token(), Request{source_}};
  std::jthread timer_;  // ends before the others
};

// Note [When the encoding of all rows serves a fold]
// Every statistic must be learned on training rows. Codes of categories are their order among the
// training levels, so if the encoder learned on the training rows alone equals the one learned on
// all rows, nothing of the tested rows is in it, and the matrix and ranks that were made once for
// the whole run are those that the fold would make. Where a level occurs only among the tested
// rows the two differ; then the fold encodes its rows itself.
Fitted fit(const Candidate& candidate, const PreparedData& data,
           std::span<const std::uint32_t> rows, const FitLimit& limit) {
  const models::EstimatorInfo& info = models::find_estimator(candidate.estimator, data.task);
  Fitted fitted;
  fitted.estimator = info.make(candidate.parameters);
  fitted.encoder = data::FeatureEncoder::fit(data.table, data.selection, rows, info.encoding);

  models::FitContext context;
  context.seed = candidate.seed;
  context.progress = [](std::uint64_t done, std::uint64_t total) {
    exec::this_task::report_progress({.done = done, .total = total});
  };
  const StopInTime stop(limit.seconds);
  context.stop = stop.token();
  if (limit.keep_trees) {
    context.keep_trees = [&fitted](std::uint64_t kept, std::uint64_t asked) {
      fitted.trees_kept = kept;
      fitted.trees_asked = asked;
    };
  }
  context.warn = [&fitted](const std::string& message) { fitted.warnings.push_back(message); };
  models::TrainingSet training;
  training.n_classes = data.classes.size();
  training.categories = fitted.encoder.category_columns();
  fitted.on_shared_codes =
      info.encoding == data::Encoding::kCodes && fitted.encoder == data.codes_encoder;
  if (fitted.on_shared_codes) {
    training.x = data.codes;
    training.y = data.y.span();
    if (!data.weights.empty()) training.sample_weight = data.weights.span();
    if (rows.size() != data.rows()) training.rows = rows;
    if (info.uses_ranks) training.ranked = &data.ranks;
    fitted.estimator->fit(training, context);
    return fitted;
  }
  const data::Matrix x = fitted.encoder.transform(data.table, rows);
  const std::vector<double> y = gather(data.y, rows);
  const std::vector<double> weights = gather(data.weights, rows);
  training.x = x;
  training.y = y;
  training.sample_weight = weights;
  training.one_hot_blocks = fitted.encoder.one_hot_blocks();
  fitted.estimator->fit(training, context);
  return fitted;
}

std::vector<double> predict(const Fitted& fitted, const PreparedData& data,
                            std::span<const std::uint32_t> rows) {
  return fitted.on_shared_codes
             ? fitted.estimator->predict(data.codes, rows)
             : fitted.estimator->predict(fitted.encoder.transform(data.table, rows));
}

std::vector<double> predict_proba(const Fitted& fitted, const PreparedData& data,
                                  std::span<const std::uint32_t> rows) {
  return fitted.on_shared_codes
             ? fitted.estimator->predict_proba(data.codes, rows)
             : fitted.estimator->predict_proba(fitted.encoder.transform(data.table, rows));
}

/// Rows, and what was predicted for them.
struct Tested {
  std::vector<double> truth;
  std::vector<double> weights;
  std::vector<double> predictions;
  std::vector<double> probabilities;

  models::ScoredRows scored(const PreparedData& data) const {
    return {.y_true = truth,
            .y_pred = predictions,
            .sample_weight = weights,
            .probabilities = probabilities,
            .n_classes = data.classes.size(),
            .positive = data.positive};
  }
};

Tested test(const Fitted& fitted, const PreparedData& data, std::span<const std::uint32_t> rows) {
  Tested tested{.truth = gather(data.y, rows), .weights = gather(data.weights, rows)};
  if (data.task == data::Task::kRegression) {
    tested.predictions = predict(fitted, data, rows);
  } else {
    tested.probabilities = predict_proba(fitted, data, rows);
    tested.predictions = models::likeliest_classes(tested.probabilities, data.classes.size());
  }
  return tested;
}

void add_importances(const Fitted& fitted, FitResult& result) {
  const std::vector<double>& importances = fitted.estimator->feature_importances();
  std::vector<std::size_t> order(importances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return importances[a] > importances[b]; });
  order.resize(std::min(order.size(), kMostImportances));
  for (const std::size_t feature : order) {
    result.important_features.push_back(fitted.encoder.feature_names()[feature]);
    result.importances.push_back(importances[feature]);
  }
}

}  // namespace

exec::ProcessExecutorOptions fit_process_options(const TrainConfig& config) {
  const std::size_t cores = exec::CoreBudget::current().cores();
  return {.workers = cores + std::min(cores, kMostReady),
          .grace = grace_of(config),
          .initializer = keep_freed_memory,
          .max_tasks_per_worker = 1};
}

FitResult run_fold(const Candidate& candidate, const PreparedData& data, std::uint32_t fold,
                   const std::string& path, const FitLimit& limit) {
  const Meter meter;
  const data::Split split = data::split_of(data.fold_numbers.span(), fold, data.learns);
  const Fitted fitted = fit(candidate, data, split.train, limit);
  const Tested tested = test(fitted, data, split.test);
  FitResult result;
  for (const models::MetricValue& metric : models::all_metrics(tested.scored(data), data.task))
    result.metrics.push_back(metric.value);
  result.predictions = core::SharedArray<double>::copy_of(tested.predictions);
  result.probabilities = core::SharedArray<double>::copy_of(tested.probabilities);
  result.warnings = fitted.warnings;
  result.trees_kept = fitted.trees_kept;
  result.trees_asked = fitted.trees_asked;
  if (!path.empty()) write_fold(path, result);
  meter.write(result);
  return result;
}

FitResult run_final_fit(const Candidate& candidate, const PreparedData& data,
                        const Destination& destination, const FitLimit& limit) {
  const Meter meter;
  std::vector<std::uint32_t> rows(data.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  Fitted fitted = fit(candidate, data, rows, limit);
  const double seconds = meter.seconds();
  models::ModelInfo info{.target = destination.target,
                         .task = data.task,
                         .seed = candidate.seed,
                         .training_rows = data.rows(),
                         .classes = data.classes};
  if (!destination.id.empty()) info.id = destination.id;
  FitResult result;
  result.warnings = std::move(fitted.warnings);
  result.trees_kept = fitted.trees_kept;
  result.trees_asked = fitted.trees_asked;
  add_importances(fitted, result);
  models::Model(std::move(fitted.encoder), std::move(fitted.estimator), std::move(info))
      .save(destination.path);
  meter.write(result);
  result.seconds = seconds;
  return result;
}

FitResult run_draw(const Candidate& candidate, const PreparedData& data, const DrawTask& task,
                   const FitLimit& limit) {
  const Meter meter;
  std::vector<std::uint32_t> rows(data.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  if (task.fold < task.folds)
    rows = data::split_of(data.fold_numbers.span(), task.fold, data.learns).train;
  const models::Metric& metric = models::find_metric(task.metric, data.task);
  double sum = 0.0;
  double defined = 0.0;
  for (const data::Split& split : inner_splits(task.splits, data, rows)) {
    const Fitted fitted = fit(candidate, data, split.train, limit);
    const double score = metric.compute(test(fitted, data, split.test).scored(data));
    if (std::isnan(score)) continue;
    sum += score;
    defined += 1.0;
  }
  FitResult result;
  result.metrics = {defined > 0.0 ? sum / defined : std::numeric_limits<double>::quiet_NaN()};
  meter.write(result);
  return result;
}

}  // namespace mutirao::train::internal
