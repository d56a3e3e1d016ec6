#include "mutirao/models/model.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/models/blend.hpp"
#include "mutirao/models/blended_model.hpp"
#include "mutirao/models/internal/model_file.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/random_forest.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

namespace fs = std::filesystem;

class ModelFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("mutirao_model_test." + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "a.mutirao") const { return folder_ / name; }

  static std::string read(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string complaint(const std::string& path) {
    try {
      Model::load(path);
    } catch (const core::CorruptFile& error) {
      return error.what();
    }
    return "";
  }

  fs::path folder_;
};

data::Table table_of(std::size_t rows) {
  const test::Problem problem = test::friedman(rows, 4, 1);
  data::Table table;
  std::vector<std::optional<std::string>> cut;
  for (std::size_t i = 0; i < rows; ++i)
    cut.push_back(i % 7 == 0 ? std::nullopt
                             : std::optional<std::string>(i % 2 == 0 ? "Ideal" : "Good"));
  table.add(data::text_column("cut", cut));
  for (std::size_t j = 0; j < 4; ++j)
    table.add(data::number_column("x" + std::to_string(j), problem.x.column(j)));
  table.add(data::number_column("target", problem.y));
  return table;
}

/// The targets of table_of() as numbers, or as three classes.
std::vector<double> targets_for(data::Task task, const data::Table& table) {
  const std::span<const double> target = table.at("target").numbers.span();
  std::vector<double> y(target.begin(), target.end());
  if (task == data::Task::kRegression) return y;
  for (double& value : y) value = value < 5.0 ? 0.0 : value < 25.0 ? 1.0 : 2.0;
  return y;
}

Model model_of(const EstimatorInfo& info, const data::Table& table,
               const ParameterMap& parameters = {}) {
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  data::FeatureEncoder encoder = data::FeatureEncoder::fit(
      table, data::select_features(table, {.target = "target"}), rows, info.encoding);
  const data::Matrix x = encoder.transform(table);
  std::shared_ptr<Estimator> estimator = info.make(parameters);
  const std::vector<double> y = targets_for(info.task, table);
  estimator->fit({.x = x, .y = y, .one_hot_blocks = encoder.one_hot_blocks()}, {.seed = 3});
  return {std::move(encoder),
          std::move(estimator),
          {.target = "target", .task = info.task, .seed = 3, .training_rows = table.rows()}};
}

Model model_of(const std::string& name, const data::Table& table,
               const ParameterMap& parameters = {}) {
  return model_of(find_estimator(name), table, parameters);
}

/// Of a tree, whose columns are codes, and a linear model, whose columns are standardized.
Model ensemble_of(data::Task task, const data::Table& table) {
  const bool numbers = task == data::Task::kRegression;
  const auto member = [&](const char* name, double weight) {
    return WeightedModel{
        .model = std::make_shared<const Model>(model_of(find_estimator(name, task), table)),
        .weight = weight};
  };
  return blended_model(
      {member("decision_tree", 0.3), member(numbers ? "ridge" : "logistic_regression", 0.7)});
}

/// Parameters that make its file small, where there are any.
ParameterMap few_of(const EstimatorInfo& info) {
  for (const ParameterInfo& parameter : info.parameters) {
    if (parameter.name == "n_estimators") return {{"n_estimators", "3"}};
  }
  return {};
}

TEST_F(ModelFile, KeepsEveryModelToTheBit) {
  const data::Table table = table_of(300);
  for (const EstimatorInfo& info : estimators()) {
    SCOPED_TRACE(info.class_name);
    const Model model = model_of(info, table);
    model.save(path());
    const Model loaded = Model::load(path());
    EXPECT_EQ(loaded.predict(table), model.predict(table));
    if (info.task == data::Task::kClassification) {
      const data::Matrix x = model.encoder().transform(table);
      EXPECT_EQ(loaded.estimator().predict_proba(x), model.estimator().predict_proba(x));
    }
    EXPECT_EQ(loaded.name(), info.name);
    EXPECT_EQ(loaded.info().target, "target");
    EXPECT_EQ(loaded.info().seed, 3u);
    EXPECT_EQ(loaded.info().training_rows, 300u);
    EXPECT_EQ(loaded.info().version, "0.1.0");
    EXPECT_EQ(loaded.estimator().parameters(), model.estimator().parameters());
    EXPECT_EQ(loaded.input_columns(), model.input_columns());
    loaded.save(path("b.mutirao"));
    EXPECT_EQ(read(path("b.mutirao")), read(path()));
  }
}

TEST_F(ModelFile, KeepsAnEnsembleWithAllItsMembersToTheBit) {
  const data::Table table = table_of(100);
  for (const data::Task task : {data::Task::kRegression, data::Task::kClassification}) {
    const Model model = ensemble_of(task, table);
    model.save(path());
    const Model loaded = Model::load(path());
    EXPECT_EQ(loaded.predict(table), model.predict(table));
    if (task == data::Task::kClassification) {
      EXPECT_EQ(loaded.predict_proba(table), model.predict_proba(table));
    }
    EXPECT_EQ(loaded.name(), "ensemble");
    EXPECT_EQ(loaded.estimator().parameters(), model.estimator().parameters());
    EXPECT_EQ(loaded.input_columns(), model_of("decision_tree", table).input_columns());
    loaded.save(path("b.mutirao"));
    EXPECT_EQ(read(path("b.mutirao")), read(path()));
  }
  EXPECT_EQ(Model::load(path()).estimator().parameters().at("decision_tree"), "0.3");
}

/// Says that it is an ensemble, whatever it is.
class Pretender final : public Estimator {
 public:
  Pretender(const Estimator& real, std::function<void(SectionWriter&)> write)
      : real_(real), write_(std::move(write)) {}
  std::string_view name() const noexcept override { return Blend::kName; }
  ParameterMap parameters() const override { return {}; }
  std::unique_ptr<Estimator> clone() const override { return nullptr; }
  void fit(const TrainingSet&, const FitContext&) override {}
  bool fitted() const noexcept override { return true; }
  std::size_t n_features() const noexcept override { return real_.n_features(); }
  void save(SectionWriter& writer) const override { write_(writer); }
  void load(const SectionReader&) override {}

 private:
  void predict_rows(data::MatrixView, std::optional<std::span<const std::uint32_t>>,
                    std::span<double>, exec::CoreBudget&) const override {}

  const Estimator& real_;
  std::function<void(SectionWriter&)> write_;
};

TEST_F(ModelFile, RefusesEnsemblesThatCannotBe) {
  struct Member {
    std::string label, estimator;
    ParameterMap parameters;
    double weight;
    std::uint64_t first, count;
    void serialize(core::OutputArchive& archive) {
      archive(label, estimator, parameters, weight, first, count);
    }
  };
  const data::Table table = table_of(60);
  const Model tree = model_of("decision_tree", table);
  const std::uint64_t width = tree.encoder().width();
  const auto refused = [&](std::uint64_t n_features, std::vector<Member> members) {
    const auto write = [&](SectionWriter& writer) {
      core::Payload payload;
      core::OutputArchive{payload}(n_features, members);
      writer.keep("members", std::span<const std::byte>(payload.bytes));
      for (std::size_t i = 0; i < members.size(); ++i) {
        SectionWriter of_member;
        tree.estimator().save(of_member);
        writer.take("member_" + std::to_string(i) + ".", std::move(of_member));
      }
    };
    Model(tree.encoder(), std::make_shared<Pretender>(tree.estimator(), write),
          {.target = "target"})
        .save(path());
    return !complaint(path()).empty();
  };
  const Member good{"a", "decision_tree", {}, 1.0, 0, 0};
  const auto with = [&](auto change) {
    Member changed = good;
    change(changed);
    return std::vector<Member>{changed};
  };
  EXPECT_FALSE(refused(width, {good}));
  EXPECT_FALSE(refused(width, with([&](Member& m) { m.count = width; })));
  EXPECT_TRUE(refused(width, {}));
  EXPECT_TRUE(refused(0, {good}));
  EXPECT_TRUE(refused(width + 1, {good}));
  EXPECT_TRUE(refused(width, {good, good}));  // weights of 2
  EXPECT_TRUE(refused(width, with([](Member& m) { m.estimator = "ensemble"; })));
  EXPECT_TRUE(refused(width, with([](Member& m) { m.estimator = "ridge"; })));
  EXPECT_TRUE(refused(width, with([](Member& m) { m.parameters["x"] = "1"; })));
  EXPECT_TRUE(refused(width, with([](Member& m) { m.weight = -1.0; })));
  EXPECT_TRUE(refused(width, with([](Member& m) { m.weight = std::nan(""); })));
  EXPECT_TRUE(refused(width, with([](Member& m) { m.first = 1; })));
  EXPECT_TRUE(refused(width, with([&](Member& m) { m.count = width - 1; })));
  EXPECT_TRUE(refused(width, with([&](Member& m) { m.first = ~0ULL, m.count = width; })));
}

TEST_F(ModelFile, KeepsTheLabelsOfClasses) {
  const data::Table table = table_of(60);
  const Model numbered = model_of(find_estimator("baseline", data::Task::kClassification), table);
  EXPECT_EQ(numbered.info().classes.names, (std::vector<std::string>{"0", "1", "2"}));
  const auto of_labels = [&](data::ClassLabels labels) {
    ModelInfo info = numbered.info();
    info.classes = std::move(labels);
    return Model(numbered.encoder(),
                 std::shared_ptr<const Estimator>(&numbered.estimator(), [](const Estimator*) {}),
                 info);
  };
  const data::ClassLabels labels{.names = {"", "a b", "\xc3\xa7"}, .type = data::ColumnType::kText};
  of_labels(labels).save(path());
  const Model loaded = Model::load(path());
  EXPECT_EQ(loaded.info().classes, labels);
  EXPECT_EQ(loaded.predict_proba(table), numbered.predict_proba(table));
  EXPECT_EQ(loaded.predict_proba(table).size(), 60u * 3u);
  EXPECT_THROW(of_labels({.names = {"a", "b"}}), core::InvalidArgument);
  EXPECT_THROW(model_of("decision_tree", table).predict_proba(table), core::InvalidArgument);
}

TEST_F(ModelFile, NoticesAFlippedBitAnywhere) {
  const data::Table table = table_of(60);
  for (const EstimatorInfo& info : estimators()) {
    model_of(info, table, few_of(info)).save(path());
    const std::string bytes = read(path());
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      write(path("damaged"), damaged);
      EXPECT_NE(complaint(path("damaged")), "") << info.class_name << " byte " << at;
    }
  }
  ensemble_of(data::Task::kRegression, table).save(path());
  const std::string bytes = read(path());
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write(path("damaged"), damaged);
    EXPECT_NE(complaint(path("damaged")), "") << "ensemble byte " << at;
  }
}

TEST_F(ModelFile, NoticesThatItIsCutShortAnywhere) {
  model_of("decision_tree", table_of(60)).save(path());
  const std::string bytes = read(path());
  for (std::size_t length = 0; length < bytes.size(); length += length < 400 ? 1 : 7) {
    write(path("cut"), bytes.substr(0, length));
    EXPECT_NE(complaint(path("cut")), "") << length;
  }
  write(path("longer"), bytes + '\0');
  EXPECT_NE(complaint(path("longer")), "");
}

TEST_F(ModelFile, SaysThatItIsCutShort) {
  model_of("decision_tree", table_of(60)).save(path());
  fs::resize_file(path(), 1000);
  EXPECT_NE(complaint(path()).find("is cut short: 1000 of its"), std::string::npos)
      << complaint(path());
}

TEST_F(ModelFile, SaysThatItIsOfANewerFormat) {
  model_of("linear_regression", table_of(60)).save(path());
  std::string bytes = read(path());
  bytes[8] = 2;
  // With the sum that a newer version would have written.
  internal::sign_model_file(std::as_writable_bytes(std::span(bytes)));
  write(path(), bytes);
  EXPECT_NE(complaint(path()).find("has format 2, and this version of mutirao reads format 1"),
            std::string::npos)
      << complaint(path());
}

TEST_F(ModelFile, SaysThatAnotherKindOfFileIsNoModel) {
  write(path(), "carat,cut,price\n0.23,Ideal,326\n");
  EXPECT_NE(complaint(path()).find("is not a model of mutirao"), std::string::npos);
  write(path(), "");
  EXPECT_NE(complaint(path()).find("is empty"), std::string::npos);
  EXPECT_NE(complaint(folder_).find("is not a file"), std::string::npos);
}

TEST_F(ModelFile, SaysThatThereIsNone) { EXPECT_THROW(Model::load(path("absent")), core::IoError); }

TEST_F(ModelFile, LeavesNothingBehindWhenItCannotBeWritten) {
  const Model model = model_of("linear_regression", table_of(60));
  EXPECT_THROW(model.save(path("absent/a.mutirao")), core::IoError);
  model.save(path());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(ModelFile, TakesEightBytesANode) {
  const data::Table table = table_of(2000);
  model_of("random_forest", table, {{"n_estimators", "20"}}).save(path());
  const Model loaded = Model::load(path());
  const auto& forest = dynamic_cast<const RandomForestRegressor&>(loaded.estimator());
  EXPECT_LT(fs::file_size(path()), forest.nodes().words().size() * 8 + 4096);
}

TEST(Model, NeedsAFittedEstimatorOfTheEncodersWidth) {
  const Model model = model_of("decision_tree", table_of(60));
  EXPECT_THROW(Model(model.encoder(), make_estimator("decision_tree"), {}), core::InvalidArgument);
  const test::Problem problem = test::friedman(60, 2, 1);
  std::shared_ptr<Estimator> narrow = make_estimator("decision_tree");
  narrow->fit(problem.x, problem.y);
  EXPECT_THROW(Model(model.encoder(), narrow, {}), core::InvalidArgument);
}

TEST(Model, PredictsTablesWithColumnsInAnotherOrder) {
  const data::Table table = table_of(100);
  const Model model = model_of("decision_tree", table);
  data::Table turned;
  for (std::size_t j = table.columns().size(); j-- > 0;) turned.add(table.columns()[j]);
  EXPECT_EQ(model.predict(turned), model.predict(table));
}

}  // namespace
}  // namespace mutirao::models
