#pragma once

// What every model can do: fit, predict, be copied unfitted, be stored.
//
// Purpose: cross-validation, the run folder and the command line are written against this class;
// a program that knows its model uses the class itself (LinearRegression, DecisionTreeRegressor,
// RandomForestRegressor). Requires: y has one finite value per row of X. Guarantees: the same data,
// parameters and seed give the same model, byte for byte, whatever the number of threads and the
// instruction set. A classifier learns class indices: y holds 0, 1, ..., n_classes - 1, and so does
// predict(); predict_proba() gives the probability of each. Thread safety: const members from any
// thread. Failure: core::InvalidArgument for parameters and shapes that cannot be used,
// core::InvalidInput for numbers that cannot, exec::Cancelled's code (core::ErrorCode::kCancelled)
// when a stop was requested; the model is then as it was before fit. Lifetime: a fitted model owns
// what it needs.
//
//   RandomForestRegressor forest({.n_estimators = 200});
//   forest.fit(x, y, {.seed = 7});
//   std::vector<double> predictions = forest.predict(x_new);

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/data/feature_selection.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/parameters.hpp"

namespace mutirao::models {

class RankedMatrix;
class SectionReader;
class SectionWriter;

/// How a fit runs; none of it but the seed changes the result.
struct FitContext {
  std::uint64_t seed = 0;
  /// The cores to fit on; null: exec::CoreBudget::current().
  exec::CoreBudget* budget = nullptr;
  /// At most this many of its cores; 0: as many as are free.
  std::size_t max_cores = 0;
  /// Called now and then, from any thread but never from two at once, with units (trees) done.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  /// Called from the thread that fits with what the user should know of the result, in a sentence:
  /// that a solver has not converged.
  std::function<void(const std::string& message)> warn;
  /// Looked at between units.
  std::stop_token stop;
  /// If set, a forest that is asked to stop does not throw: it keeps the trees that it has, the
  /// first `kept` of those asked for, and calls this. One that has none yet throws.
  std::function<void(std::uint64_t kept, std::uint64_t asked)> keep_trees;
};

/// What a model is fitted on. The views must outlive the call.
struct TrainingSet {
  /// n_samples x n_features. NaN is missing: trees take it, linear models refuse it.
  data::MatrixView x;
  /// One value per row of x; for classifiers the index of its class.
  std::span<const double> y;
  /// The rows of x to learn from, increasing; absent: all of them.
  std::optional<std::span<const std::uint32_t>> rows;
  /// One weight per row of x, not negative; empty: all 1. A row of weight 0 is as if it were not
  /// there.
  std::span<const double> sample_weight;
  /// Columns of x that are one-hot coded categories (linear models solve them sooner).
  std::vector<data::OneHotBlock> one_hot_blocks;
  /// The ranks of all rows of x, if they are at hand (trees would make them otherwise).
  const RankedMatrix* ranked = nullptr;
  /// Columns of x, increasing, that are categories: whole numbers from 0 on that say which level it
  /// is, not how much of something. Trees divide their levels, see models/level_orders.hpp; other
  /// models take them for numbers.
  std::vector<std::size_t> categories;
  /// Classifiers: how many classes there are, also if some have no row here; 0: the largest of y,
  /// plus 1.
  std::size_t n_classes = 0;
};

class Estimator {
 public:
  virtual ~Estimator() = default;

  /// "random_forest".
  virtual std::string_view name() const noexcept = 0;
  /// Every parameter, as text that make_estimator() understands.
  virtual ParameterMap parameters() const = 0;
  /// The same kind with the same parameters, not fitted.
  virtual std::unique_ptr<Estimator> clone() const = 0;

  virtual void fit(const TrainingSet& training, const FitContext& context) = 0;
  void fit(data::MatrixView x, std::span<const double> y, const FitContext& context = {}) {
    fit(TrainingSet{.x = x, .y = y, .rows = {}, .sample_weight = {}, .one_hot_blocks = {}},
        context);
  }

  /// What it predicts: a number, or a class.
  virtual data::Task task() const noexcept { return data::Task::kRegression; }
  /// The classes of a fitted classifier; 0 for regression.
  virtual std::size_t n_classes() const noexcept { return 0; }

  /// False until fit() or load() has succeeded; predict() then throws core::InvalidArgument.
  virtual bool fitted() const noexcept = 0;
  /// The number of columns that predict() expects.
  virtual std::size_t n_features() const noexcept = 0;
  /// How much of what was learned rests on each column, not negative and with the sum 1; empty for
  /// a model that does not tell.
  virtual const std::vector<double>& feature_importances() const noexcept;
  /// One value per row of x, or per given row, in order: for classifiers the index of the likeliest
  /// class (of equals the first). `budget` null: the program's.
  std::vector<double> predict(data::MatrixView x, exec::CoreBudget* budget = nullptr) const;
  std::vector<double> predict(data::MatrixView x, std::span<const std::uint32_t> rows,
                              exec::CoreBudget* budget = nullptr) const;

  /// The probability of each class: n_samples x n_classes(), row-major; each row sums to 1. Throws
  /// core::InvalidArgument for an estimator that predicts numbers.
  std::vector<double> predict_proba(data::MatrixView x, exec::CoreBudget* budget = nullptr) const;
  std::vector<double> predict_proba(data::MatrixView x, std::span<const std::uint32_t> rows,
                                    exec::CoreBudget* budget = nullptr) const;

  /// What a fit learned, as named sections of a model file; see models/model.hpp.
  virtual void save(SectionWriter& writer) const = 0;
  /// Takes what save() wrote; `owner` keeps the mapped file alive. Throws core::CorruptFile when
  /// the sections make no model of this kind.
  virtual void load(const SectionReader& reader) = 0;

 protected:
  Estimator() = default;
  Estimator(const Estimator&) = default;
  Estimator& operator=(const Estimator&) = default;

  /// out[i] = prediction for row rows[i] (row i when rows is absent). Shapes have been checked.
  virtual void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                            std::span<double> out, exec::CoreBudget& budget) const = 0;
  /// out[i * n_classes() + c] = probability of class c for row rows[i]. Shapes have been checked.
  virtual void predict_proba_rows(data::MatrixView x,
                                  std::optional<std::span<const std::uint32_t>> rows,
                                  std::span<double> out, exec::CoreBudget& budget) const;
  /// Throws for shapes, targets and weights that no model can be fitted on.
  static void check(const TrainingSet& training);
};

/// An estimator of classes: has probabilities, from which its predictions follow.
class Classifier : public Estimator {
 public:
  data::Task task() const noexcept final { return data::Task::kClassification; }

 protected:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override = 0;
  /// check(), and that every target is the index of a class. Returns the number of classes.
  static std::size_t check_classes(const TrainingSet& training);
};

}  // namespace mutirao::models
