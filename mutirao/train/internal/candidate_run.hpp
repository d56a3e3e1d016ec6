#pragma once

// One candidate of a run: what has become of it so far, as the events tell it.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/models/metrics.hpp"
#include "mutirao/models/search_space.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train::internal {

/// Sets what a row says of its folds, each of which has a value for each metric of the task.
void set_scores(CandidateResult& row, const std::vector<std::vector<double>>& folds,
                data::Task task, const models::Metric& metric);

class CandidateRun {
 public:
  /// `fit`: what its fits are asked for.
  CandidateRun(std::string label, Candidate fit, data::Task task, std::size_t folds);

  const std::string& label() const noexcept { return label_; }
  const Candidate& fit() const noexcept { return fit_; }
  /// From now on its parameters are searched: so many draws for each fold and for the final fit.
  void search(models::SearchSpace space, std::uint32_t draws);
  /// 0: nothing is searched.
  std::uint32_t draws() const noexcept { return draws_; }
  /// What a draw is asked for.
  Candidate fit_of_draw(std::uint32_t draw) const;
  /// The draw with the best score for the fold, of equals the first; none if no draw has a score.
  std::optional<std::uint32_t> best_draw(std::uint32_t fold, const models::Metric& metric) const;
  /// What the fit of the fold is asked for: the best draw, or else draw 0.
  Candidate fit_of_fold(std::uint32_t fold, const models::Metric& metric) const {
    return fit_of_draw(best_draw(fold, metric).value_or(0));
  }
  bool has_draw(std::uint32_t fold, std::uint32_t draw) const {
    return drawn_.contains({fold, draw});
  }
  /// "draw_done", with the error in place of a score if there is one.
  Json event_of_draw(std::uint32_t fold, std::uint32_t draw, const FitResult& result,
                     const std::string& error) const;

  /// Where its model goes, relative to the run folder.
  std::string model_file() const;

  /// The event of a fit that has ended well: "fold_done" or "model_saved".
  Json event_of(std::uint32_t fold, const FitResult& result, const models::Metric& metric) const;
  /// Takes what such an event says.
  void take(const Json& event);
  /// Of several failures the first is kept.
  void fail(const std::exception_ptr& failure);

  /// The time limit came before it was complete.
  void run_out_of_time();

  bool has(std::uint32_t fold) const { return fold == folds_ ? saved_ : scored_.contains(fold); }
  bool failed() const noexcept { return failure_.status != CandidateStatus::kOk; }
  bool complete() const noexcept { return scored_.size() == folds_ && saved_; }
  /// Its row, without details but the importances; every fold has to be there, or a failure.
  CandidateResult row(const models::Metric& metric) const;

 private:
  struct Scored {
    std::vector<double> metrics;  // in the order of the task's models::metrics()
    double seconds = 0.0;
  };

  const std::string label_;
  const Candidate fit_;
  const data::Task task_;
  const std::size_t folds_;
  std::map<std::uint32_t, Scored> scored_;
  bool saved_ = false;
  double fit_seconds_ = 0.0;
  std::uint64_t peak_rss_bytes_ = 0;
  CandidateDetails details_;
  models::SearchSpace space_;
  std::uint32_t draws_ = 0;
  struct Drawn {
    double score = 0.0;  // NaN: none
    double seconds = 0.0;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Drawn> drawn_;  // by fold and draw
  CandidateResult failure_;                                         // its status and error
};

}  // namespace mutirao::train::internal
