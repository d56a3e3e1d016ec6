#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/linear_regression.hpp"

namespace mutirao::models {
namespace {

/// Gives every row the probabilities it was made with.
class Constant final : public Classifier {
 public:
  explicit Constant(std::vector<double> probabilities) : probabilities_(std::move(probabilities)) {}

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& /*context*/) override {
    seen_classes_ = check_classes(training);
    n_features_ = training.x.cols;
  }
  std::size_t seen_classes() const { return seen_classes_; }

  std::string_view name() const noexcept override { return "constant"; }
  ParameterMap parameters() const override { return {}; }
  std::unique_ptr<Estimator> clone() const override {
    return std::make_unique<Constant>(probabilities_);
  }
  std::size_t n_classes() const noexcept override { return probabilities_.size(); }
  bool fitted() const noexcept override { return n_features_ != 0; }
  std::size_t n_features() const noexcept override { return n_features_; }
  void save(SectionWriter& /*writer*/) const override {}
  void load(const SectionReader& /*reader*/) override {}

 private:
  void predict_proba_rows(data::MatrixView /*x*/,
                          std::optional<std::span<const std::uint32_t>> /*rows*/,
                          std::span<double> out, exec::CoreBudget& /*budget*/) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = probabilities_[i % n_classes()];
  }

  std::vector<double> probabilities_;
  std::size_t n_features_ = 0;
  std::size_t seen_classes_ = 0;
};

const std::vector<double> kX = {1.0, 2.0, 3.0};
const data::MatrixView kView{.data = kX.data(), .rows = 3, .cols = 1, .column_stride = 3};

TEST(Classifier, PredictsTheLikeliestClassAndOfEqualsTheFirst) {
  Constant classifier({0.2, 0.4, 0.4});
  classifier.fit(kView, std::vector<double>{0.0, 1.0, 2.0});
  EXPECT_EQ(classifier.predict(kView), (std::vector<double>{1.0, 1.0, 1.0}));
  EXPECT_EQ(classifier.predict(kView, std::vector<std::uint32_t>{2}), std::vector<double>{1.0});
  EXPECT_EQ(classifier.predict_proba(kView, std::vector<std::uint32_t>{0, 2}),
            (std::vector<double>{0.2, 0.4, 0.4, 0.2, 0.4, 0.4}));
}

TEST(Classifier, CountsTheClassesThatItSees) {
  Constant classifier({0.5, 0.5});
  const std::vector<double> y = {0.0, 4.0, 1.0};
  classifier.fit(kView, y);
  EXPECT_EQ(classifier.seen_classes(), 5U);
  classifier.fit({.x = kView, .y = y, .n_classes = 7}, {});
  EXPECT_EQ(classifier.seen_classes(), 7U);
  const std::vector<std::uint32_t> rows = {0, 2};
  classifier.fit({.x = kView, .y = y, .rows = rows}, {});
  EXPECT_EQ(classifier.seen_classes(), 2U);
}

TEST(Classifier, RefusesTargetsThatAreNoClass) {
  Constant classifier({0.5, 0.5});
  for (const double bad : {-1.0, 0.5, 65536.0, 1e300}) {
    EXPECT_THROW(classifier.fit(kView, std::vector<double>{0.0, bad, 1.0}), core::InvalidInput)
        << bad;
  }
  const std::vector<double> y = {0.0, 2.0, 1.0};
  EXPECT_THROW(classifier.fit({.x = kView, .y = y, .n_classes = 2}, {}), core::InvalidInput);
}

TEST(Classifier, RefusesToPredictUnfittedAndRegressionHasNoProbabilities) {
  EXPECT_THROW(Constant({1.0}).predict_proba(kView), core::InvalidArgument);
  LinearRegression line;
  line.fit(kView, std::vector<double>{1.0, 2.0, 3.0});
  EXPECT_EQ(line.task(), data::Task::kRegression);
  EXPECT_EQ(line.n_classes(), 0U);
  EXPECT_THROW(line.predict_proba(kView), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::models
