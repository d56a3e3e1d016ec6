// Fits and predictions of the estimators, each with its r2 (classifiers: accuracy) on
// rows that no fit has seen.
//
//   models_bench --benchmark_filter=fit/random_forest
//   models_bench --write_tables=DIR    writes the tables for a peer, and ends

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "bench/tables.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"

namespace {

using namespace mutirao;

constexpr std::pair<std::size_t, std::size_t> kSizes[] = {{20'640, 8}, {100'000, 20}};

const bench::Tables& tables_of(std::size_t rows, std::size_t cols) {
  static std::map<std::pair<std::size_t, std::size_t>, bench::Tables> made;
  const std::pair key(rows, cols);
  const auto found = made.find(key);
  return found != made.end() ? found->second
                             : made.emplace(key, bench::tables(rows, cols)).first->second;
}

/// The target, or for classifiers three classes of it.
std::vector<double> target_of(const bench::Table& table, data::Task task) {
  std::vector<double> y = table.y;
  if (task == data::Task::kRegression) return y;
  for (double& value : y) value = (value > 15.0 ? 1.0 : 0.0) + (value > 40.0 ? 1.0 : 0.0);
  return y;
}

/// r2, or for classifiers the share of right predictions.
double score(const std::vector<double>& truth, const std::vector<double>& seen, data::Task task) {
  if (task == data::Task::kRegression) return models::r2_score(truth, seen);
  double right = 0.0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += truth[i] == seen[i] ? 1.0 : 0.0;
  return right / static_cast<double>(truth.size());
}

void fit(benchmark::State& state, const std::string& model, data::Task task, std::size_t rows,
         std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const std::vector<double> y = target_of(both.train, task);
  std::unique_ptr<models::Estimator> estimator;
  for (auto _ : state) {
    estimator = models::make_estimator(model, {}, task);
    estimator->fit(both.train.x, y);
  }
  state.counters["r2"] =
      score(target_of(both.held_out, task), estimator->predict(both.held_out.x), task);
}

void predict(benchmark::State& state, const std::string& model, data::Task task, std::size_t rows,
             std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const auto estimator = models::make_estimator(model, {}, task);
  estimator->fit(both.train.x, target_of(both.train, task));
  std::vector<double> predictions;
  for (auto _ : state) predictions = estimator->predict(both.held_out.x);
  state.counters["r2"] = score(target_of(both.held_out, task), predictions, task);
}

/// One row after another, each in a call of its own.
void predict_row(benchmark::State& state, const std::string& model, std::size_t rows,
                 std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const auto estimator = models::make_estimator(model);
  estimator->fit(both.train.x, both.train.y);
  const data::MatrixView x = both.held_out.x;
  std::vector<double> predictions(x.rows);
  std::size_t row = 0;
  for (auto _ : state) {
    predictions[row] = estimator->predict({x.data + row, 1, x.cols, x.column_stride}).front();
    row = row + 1 == x.rows ? 0 : row + 1;
  }
}

void add_benchmarks() {
  for (const auto& [rows, cols] : kSizes) {
    benchmark::RegisterBenchmark(fmt::format("predict_row/random_forest/{}x{}", rows, cols).c_str(),
                                 predict_row, "random_forest", rows, cols)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    for (const models::EstimatorInfo& info : models::estimators()) {
      for (const bool fits : {true, false}) {
        const std::string name =
            fmt::format("{}/{}{}/{}x{}", fits ? "fit" : "predict", info.name,
                        info.task == data::Task::kRegression ? "" : "_classes", rows, cols);
        benchmark::RegisterBenchmark(name.c_str(), fits ? fit : predict, info.name, info.task, rows,
                                     cols)
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr char kWrite[] = "--write_tables=";
  if (argc == 2 && std::strncmp(argv[1], kWrite, sizeof kWrite - 1) == 0) {
    for (const auto& [rows, cols] : kSizes)
      bench::write(bench::tables(rows, cols), argv[1] + sizeof kWrite - 1);
    return 0;
  }
  add_benchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
