#include "mutirao/train/internal/fit_tasks.hpp"

#include <chrono>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "mutirao/core/process.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/exec/progress.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::train::internal {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<double> gather(const core::SharedArray<double>& values,
                           std::span<const std::uint32_t> rows) {
  std::vector<double> taken;
  taken.reserve(rows.size());
  for (const std::uint32_t row : rows) taken.push_back(values[row]);
  return taken;
}

/// A fitted estimator and the encoder of its columns.
struct Fitted {
  data::FeatureEncoder encoder;
  std::shared_ptr<models::Estimator> estimator;
  bool on_shared_codes = false;  // the encoder is that of data.codes
};

// Note [When the encoding of all rows serves a fold]
// Every statistic must be learned on training rows. Codes of categories are their order among the
// training levels, so if the encoder learned on the training rows alone equals the one learned on
// all rows, nothing of the tested rows is in it, and the matrix and ranks that were made once for
// the whole run are those that the fold would make. Where a level occurs only among the tested
// rows the two differ; then the fold encodes its rows itself.
Fitted fit(const Candidate& candidate, const PreparedData& data,
           std::span<const std::uint32_t> rows) {
  const models::EstimatorInfo& info = models::find_estimator(candidate.model);
  Fitted fitted;
  fitted.estimator = models::make_estimator(candidate.model, candidate.parameters);
  fitted.encoder = data::FeatureEncoder::fit(data.table, data.selection, rows, info.encoding);

  models::FitContext context;
  context.seed = candidate.seed;
  context.progress = [](std::uint64_t done, std::uint64_t total) {
    exec::this_task::report_progress({.done = done, .total = total});
  };
  models::TrainingSet training;
  fitted.on_shared_codes =
      info.encoding == data::Encoding::kCodes && fitted.encoder == data.codes_encoder;
  if (fitted.on_shared_codes) {
    training.x = data.codes;
    training.y = data.y.span();
    if (rows.size() != data.rows()) training.rows = rows;
    training.ranked = &data.ranks;
    fitted.estimator->fit(training, context);
    return fitted;
  }
  const data::Matrix x = fitted.encoder.transform(data.table, rows);
  const std::vector<double> y = gather(data.y, rows);
  training.x = x;
  training.y = y;
  training.one_hot_blocks = fitted.encoder.one_hot_blocks();
  fitted.estimator->fit(training, context);
  return fitted;
}

}  // namespace

FoldResult run_fold(const Candidate& candidate, const PreparedData& data, std::uint32_t fold) {
  const auto start = std::chrono::steady_clock::now();
  const data::Split split = data::split_of(data.fold_numbers.span(), fold);
  const Fitted fitted = fit(candidate, data, split.train);
  const std::vector<double> predictions =
      fitted.on_shared_codes
          ? fitted.estimator->predict(data.codes, split.test)
          : fitted.estimator->predict(fitted.encoder.transform(data.table, split.test));
  const std::vector<double> truth = gather(data.y, split.test);
  FoldResult result;
  for (const models::MetricValue& metric : models::all_metrics(truth, predictions))
    result.metrics.push_back(metric.value);
  result.predictions = core::SharedArray<double>::copy_of(predictions);
  result.seconds = seconds_since(start);
  result.peak_rss_bytes = core::peak_resident_bytes();
  return result;
}

FinalResult run_final_fit(const Candidate& candidate, const PreparedData& data,
                          const Destination& destination) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::uint32_t> rows(data.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  Fitted fitted = fit(candidate, data, rows);
  const double seconds = seconds_since(start);
  models::ModelInfo info{.target = destination.target,
                         .task = data.task,
                         .seed = candidate.seed,
                         .training_rows = data.rows()};
  if (!destination.id.empty()) info.id = destination.id;
  models::Model(std::move(fitted.encoder), std::move(fitted.estimator), std::move(info))
      .save(destination.path);
  return {.seconds = seconds, .peak_rss_bytes = core::peak_resident_bytes()};
}

}  // namespace mutirao::train::internal
