#pragma once

// What a training run found: one row per model, best first.
//
// Purpose: what `mutirao train --json` prints and `mutirao show` reads back from a run folder.
// Guarantees: to_json() gives the keys below in that order; a number that is not defined (NaN) is
// null; run_result_from_json(to_json(result)) is the same result. Thread safety: values.
//
// One object:
//   schema 1, version, run, data, target, task, classes and positive (of classification alone; the
//   labels in their order, and the one of two that f1 and roc_auc judge, else null), metric, seed,
//   cores, seconds, rows, rows_dropped, stopped (null, "interrupted"), warnings,
//   columns [{name, type, used, why}],
//   leaderboard [{model, estimator, status, baseline, params, score, score_std, metrics,
//   fold_scores,
//                 cv_seconds, fit_seconds, peak_rss_bytes, model_file, error}]

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/parameters.hpp"
#include "mutirao/train/config.hpp"

namespace mutirao::train {

/// How a candidate ended.
enum class CandidateStatus { kOk, kCrashed, kTimeout, kMemory, kFailed };

/// "ok", "crashed", "timeout", "memory", "failed".
std::string_view name_of(CandidateStatus status) noexcept;

/// What the report shows of a candidate besides its row of the leaderboard.
struct CandidateDetails {
  /// Classes: n_classes x n_classes, row-major: the weight of the tested rows of each true class
  /// (row) that were predicted to be each class (column).
  std::vector<double> confusion;
  /// Two classes: of the positive one, over all tested rows; at most kMostRocPoints.
  models::RocCurve roc;
  /// What most of the final model rests on, the most important first, at most kMostImportances;
  /// empty where it does not tell.
  std::vector<std::pair<std::string, double>> importances;
};
inline constexpr std::size_t kMostImportances = 20;
inline constexpr std::size_t kMostRocPoints = 200;

/// One row of the leaderboard.
struct CandidateResult {
  std::string model;      ///< its label in this run
  std::string estimator;  ///< its name in the registry, most often the same
  CandidateStatus status = CandidateStatus::kOk;
  bool baseline = false;  ///< a constant prediction, shown for comparison
  models::ParameterMap params;
  /// Means over the folds; NaN where a fold gave none, or the candidate did not end well.
  double score = 0.0;
  double score_std = 0.0;  ///< of fold_scores, with their number as divisor; NaN for one fold
  std::vector<models::MetricValue> metrics;
  std::vector<double> fold_scores;  ///< of the folds that were done
  double cv_seconds = 0.0;          ///< wall clock, all folds
  double fit_seconds = 0.0;         ///< wall clock, the final fit on all rows
  std::uint64_t peak_rss_bytes = 0;
  std::optional<std::string> model_file;  ///< relative to the run folder
  std::optional<std::string> error;       ///< one line
  CandidateDetails details;               ///< no part of the JSON object
};

struct RunResult {
  std::string version;
  std::string run;  ///< the run folder
  std::string data;
  std::string target;
  data::Task task = data::Task::kRegression;
  std::vector<std::string> classes;     ///< labels, in their order; regression: none
  std::optional<std::string> positive;  ///< of two classes, the one that f1 and roc_auc judge
  std::string metric;
  std::uint64_t seed = 0;
  std::size_t cores = 0;
  double seconds = 0.0;
  std::uint64_t rows = 0;          ///< that were learned from
  std::uint64_t rows_dropped = 0;  ///< whose target is missing, or whose weight is 0
  std::optional<std::string> stopped;
  std::vector<std::string> warnings;
  std::vector<data::ColumnUse> columns;
  std::vector<CandidateResult> leaderboard;
};

/// Best first in the metric's own direction; what has no score comes last, in the order given.
void rank(std::vector<CandidateResult>& leaderboard, const models::Metric& metric);

/// The first row that predicts and is not the baseline, or nullptr.
const CandidateResult* best_of(const RunResult& result) noexcept;

/// {"n_estimators": 500, "max_depth": null, "bootstrap": true}
Json parameters_json(const models::ParameterMap& parameters);
Json to_json(const CandidateResult& candidate);
Json to_json(const RunResult& result);
/// Only what there is.
Json to_json(const CandidateDetails& details);
/// Throws core::CorruptFile when the object is none of ours; `where` begins the sentence.
CandidateResult candidate_result_from_json(const Json& json, const std::string& where);
CandidateDetails details_from_json(const Json& json, const std::string& where);
RunResult run_result_from_json(const Json& json, const std::string& where);

}  // namespace mutirao::train
