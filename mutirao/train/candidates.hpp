#pragma once

// The models that a run trains, by the names that it gives them.
//
// Purpose: "random_forest" trains the estimator of that name; "small=random_forest" trains it under
// a name of one's own, so that it can be given more than once. The name is what --set, the
// leaderboard, events and model files use. Thread safety: values. Failure: core::InvalidArgument
// that names what cannot be used and says what to do.
//
//   config.models = {"small=random_forest", "big=random_forest"};
//   parse_setting("small.n_estimators=50", config);

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/search_space.hpp"
#include "mutirao/train/config.hpp"

namespace mutirao::train {

/// The name of the model that predicts without features and never counts as a candidate.
inline constexpr const char* kBaseline = "baseline";
/// The name of the weighted mean of all candidates, which is none itself.
inline constexpr const char* kEnsemble = "ensemble";

struct CandidateName {
  std::string label;      ///< "small"
  std::string estimator;  ///< "random_forest", a name of the registry

  bool operator==(const CandidateName&) const = default;
};

/// "small=random_forest", or "random_forest" for both. Throws for an estimator that there is none
/// of, and for a label that is not made of letters, digits, '_' and '-', or that means something
/// else.
CandidateName candidate_named(const std::string& text);

/// What is trained for the task, in the order in which a leaderboard lists equals: that of the
/// registry, and of one estimator's the order given; the baseline among them.
std::vector<CandidateName> candidates_of(const TrainConfig& config, data::Task task);

/// The estimator that the label means among the models of the configuration; itself, if none has
/// it.
std::string estimator_of(const TrainConfig& config, const std::string& label);

/// What there is to search of the candidate: nothing without --search, and nothing that --set
/// fixes.
models::SearchSpace space_of(const TrainConfig& config, const CandidateName& name, data::Task task);

/// Adds the parameters of "small.n_estimators=50,max_features=3" to config.set; the models must be
/// there already. Names and values are checked: those that are right for one task pass.
void parse_setting(std::string_view text, TrainConfig& config);

}  // namespace mutirao::train
