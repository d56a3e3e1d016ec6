#include "mutirao/train/internal/candidate_run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "mutirao/models/registry.hpp"
#include "mutirao/train/internal/failure.hpp"

namespace mutirao::train::internal {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return values.empty() ? kNaN : sum / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return kNaN;
  const double mean = mean_of(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace

void set_scores(CandidateResult& row, const std::vector<std::vector<double>>& folds,
                data::Task task, const models::Metric& metric) {
  const std::vector<models::Metric>& all = models::metrics(task);
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<double> values;
    for (const std::vector<double>& fold : folds) values.push_back(fold.at(i));
    row.metrics.push_back({all[i].name, mean_of(values)});
    if (all[i].name == metric.name) row.fold_scores = values;
  }
  row.score = mean_of(row.fold_scores);
  row.score_std = deviation_of(row.fold_scores);
}

CandidateRun::CandidateRun(std::string label, Candidate fit, data::Task task, std::size_t folds)
    : label_(std::move(label)), fit_(std::move(fit)), task_(task), folds_(folds) {}

void CandidateRun::search(models::SearchSpace space, std::uint32_t draws) {
  space_ = std::move(space);
  draws_ = draws;
}

Candidate CandidateRun::fit_of_draw(std::uint32_t draw) const {
  Candidate drawn = fit_;
  drawn.parameters = models::draw(space_, fit_.parameters, fit_.seed, label_, draw);
  return drawn;
}

std::optional<std::uint32_t> CandidateRun::best_draw(std::uint32_t fold,
                                                     const models::Metric& metric) const {
  std::optional<std::uint32_t> best;
  double best_score = kNaN;
  for (const auto& [key, drawn] : drawn_) {
    if (key.first != fold || std::isnan(drawn.score)) continue;
    const bool better =
        std::isnan(best_score) ||
        (metric.greater_is_better ? drawn.score > best_score : drawn.score < best_score);
    if (!better) continue;
    best = key.second;
    best_score = drawn.score;
  }
  return best;
}

Json CandidateRun::event_of_draw(std::uint32_t fold, std::uint32_t draw, const FitResult& result,
                                 const std::string& error) const {
  Json event;
  event["event"] = "draw_done";
  event["model"] = label_;
  event["fold"] = fold == folds_ ? Json(nullptr) : Json(fold + 1);
  event["draw"] = draw;
  event["params"] = parameters_json(fit_of_draw(draw).parameters);
  const bool scored = !result.metrics.empty() && std::isfinite(result.metrics.front());
  event["score"] = scored ? Json(result.metrics.front()) : Json(nullptr);
  event["error"] = error.empty() ? Json(nullptr) : Json(error);
  event["seconds"] = result.seconds;
  event["cpu_seconds"] = result.cpu_seconds;
  event["peak_rss_bytes"] = result.peak_rss_bytes;
  return event;
}

std::string CandidateRun::model_file() const { return fmt::format("models/{}.mutirao", label_); }

Json CandidateRun::event_of(std::uint32_t fold, const FitResult& result,
                            const models::Metric& metric) const {
  Json event;
  event["event"] = fold == folds_ ? "model_saved" : "fold_done";
  event["model"] = label_;
  if (fold == folds_) {
    event["model_file"] = model_file();
    event["importances"] = Json::array();
    for (std::size_t i = 0; i < result.importances.size(); ++i) {
      event["importances"].push_back(
          {{"feature", result.important_features[i]}, {"importance", result.importances[i]}});
    }
  } else {
    event["fold"] = fold + 1;
    event["folds"] = folds_;
    const std::vector<models::Metric>& all = models::metrics(task_);
    Json metrics;
    for (std::size_t i = 0; i < all.size(); ++i) metrics[all[i].name] = result.metrics.at(i);
    event["score"] = metrics.at(metric.name);
    event["metrics"] = std::move(metrics);
  }
  if (result.trees_asked != 0)
    event["cut_short"] = {{"trees", result.trees_kept}, {"of", result.trees_asked}};
  event["seconds"] = result.seconds;
  event["cpu_seconds"] = result.cpu_seconds;
  event["peak_rss_bytes"] = result.peak_rss_bytes;
  return event;
}

void CandidateRun::take(const Json& event) {
  peak_rss_bytes_ = std::max(peak_rss_bytes_, event.at("peak_rss_bytes").get<std::uint64_t>());
  if (event.at("event") == "draw_done") {
    const Json& score = event.at("score");
    const std::uint32_t fold = event.at("fold").is_null() ? static_cast<std::uint32_t>(folds_)
                                                          : event["fold"].get<std::uint32_t>() - 1;
    drawn_[{fold, event.at("draw").get<std::uint32_t>()}] = {
        score.is_null() ? kNaN : score.get<double>(), event.at("seconds").get<double>()};
    return;
  }
  if (event.at("event") == "model_saved") {
    saved_ = true;
    fit_seconds_ = event.at("seconds").get<double>();
    details_ = details_from_json(event, label_);
    return;
  }
  Scored scored;
  scored.seconds = event.at("seconds").get<double>();
  for (const models::Metric& metric : models::metrics(task_)) {
    const Json& value = event.at("metrics").at(metric.name);
    // What is not finite is null in JSON, and must be the same whether it was read back or not.
    const double number = value.is_null() ? kNaN : value.get<double>();
    scored.metrics.push_back(std::isfinite(number) ? number : kNaN);
  }
  scored_[event.at("fold").get<std::uint32_t>() - 1] = std::move(scored);
}

void CandidateRun::fail(const std::exception_ptr& failure) {
  if (failed()) return;
  try {
    std::rethrow_exception(failure);
  } catch (...) {
    describe_failure(failure_);
  }
}

void CandidateRun::run_out_of_time() {
  failure_.status = CandidateStatus::kTimeout;
  failure_.error =
      scored_.empty() && !saved_
          ? "the time limit came before it had done anything"
          : fmt::format("the time limit came when {} of {} folds were done{}", scored_.size(),
                        folds_, saved_ ? "" : " and its final fit was not");
}

CandidateResult CandidateRun::row(const models::Metric& metric) const {
  CandidateResult row = failure_;
  row.model = label_;
  row.estimator = fit_.estimator;
  row.baseline = fit_.estimator == kBaseline;
  row.params =
      models::make_estimator(
          fit_.estimator, fit_of_fold(static_cast<std::uint32_t>(folds_), metric).parameters, task_)
          ->parameters();
  for (const auto& [key, drawn] : drawn_) row.cv_seconds += drawn.seconds;
  std::vector<std::vector<double>> folds;
  for (const auto& [fold, scored] : scored_) {
    row.cv_seconds += scored.seconds;
    folds.push_back(scored.metrics);
  }
  set_scores(row, folds, task_, metric);
  row.fit_seconds = fit_seconds_;
  row.peak_rss_bytes = peak_rss_bytes_;
  if (failed()) {
    row.score = row.score_std = kNaN;
    row.metrics.clear();
    return row;
  }
  row.model_file = model_file();
  row.details = details_;
  return row;
}

}  // namespace mutirao::train::internal
