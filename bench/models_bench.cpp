// Fits and predictions of the estimators, each with its r2 on rows that no fit has seen.
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

void fit(benchmark::State& state, const std::string& model, std::size_t rows, std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  std::unique_ptr<models::Estimator> estimator;
  for (auto _ : state) {
    estimator = models::make_estimator(model);
    estimator->fit(both.train.x, both.train.y);
  }
  state.counters["r2"] = models::r2_score(both.held_out.y, estimator->predict(both.held_out.x));
}

void predict(benchmark::State& state, const std::string& model, std::size_t rows,
             std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const auto estimator = models::make_estimator(model);
  estimator->fit(both.train.x, both.train.y);
  std::vector<double> predictions;
  for (auto _ : state) predictions = estimator->predict(both.held_out.x);
  state.counters["r2"] = models::r2_score(both.held_out.y, predictions);
}

void add_benchmarks() {
  for (const auto& [rows, cols] : kSizes) {
    for (const char* model : {"linear_regression", "decision_tree", "random_forest"}) {
      for (const bool fits : {true, false}) {
        const std::string name =
            fmt::format("{}/{}/{}x{}", fits ? "fit" : "predict", model, rows, cols);
        benchmark::RegisterBenchmark(name.c_str(), fits ? fit : predict, model, rows, cols)
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
