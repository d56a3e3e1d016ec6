// Fits and predictions of the estimators, each with its r2 (classifiers: accuracy) on
// rows that no fit has seen.
//
//   models_bench --benchmark_filter=fit/random_forest
//   models_bench --write_tables=DIR              writes the tables for a peer, and ends
//   models_bench --peak=random_forest/100000x20  fits once; prints the seconds and the bytes of
//                                                memory that the fit took beyond its table

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "bench/tables.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"

namespace {

using namespace mutirao;

using Size = std::pair<std::size_t, std::size_t>;
constexpr Size kSizes[] = {{20'640, 8}, {100'000, 20}};
/// Each twice the one before, for a forest of few trees: how its cost grows.
constexpr Size kLongSizes[] = {{125'000, 10}, {250'000, 10}, {500'000, 10}, {1'000'000, 10}};

bool is_digits(std::size_t rows) { return rows == bench::kDigitsRows; }

const bench::Tables& tables_of(std::size_t rows, std::size_t cols) {
  static std::map<std::pair<std::size_t, std::size_t>, bench::Tables> made;
  const std::pair key(rows, cols);
  const auto found = made.find(key);
  return found != made.end()
             ? found->second
             : made.emplace(key, is_digits(rows) ? bench::digits() : bench::tables(rows, cols))
                   .first->second;
}

/// What is measured: an estimator, its parameters where they are not the defaults, and for
/// classifiers the thresholds of the target that divide its classes.
struct Subject {
  std::string model;
  data::Task task = data::Task::kRegression;
  models::ParameterMap parameters = {};
  std::string suffix = {};
  std::vector<double> thresholds = {15.0, 40.0};

  std::string name() const {
    return model + suffix +
           (task == data::Task::kRegression ? ""
            : thresholds.size() == 1        ? "_binary"
                                            : "_classes");
  }
};

/// A forest of few trees, for large tables.
Subject small_forest() {
  return {.model = "random_forest", .parameters = {{"n_estimators", "10"}}, .suffix = "_10"};
}

/// The target, or for classifiers classes of it. The digits have their own.
std::vector<double> target_of(const bench::Table& table, const Subject& subject) {
  std::vector<double> y = table.y;
  if (subject.task == data::Task::kRegression || table.x.cols() == bench::kDigitsCols) return y;
  for (double& value : y) {
    value = static_cast<double>(std::count_if(subject.thresholds.begin(), subject.thresholds.end(),
                                              [&](double threshold) { return value > threshold; }));
  }
  return y;
}

/// r2, or for classifiers the share of right predictions.
double score(const std::vector<double>& truth, const std::vector<double>& seen, data::Task task) {
  if (task == data::Task::kRegression) return models::r2_score(truth, seen);
  double right = 0.0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += truth[i] == seen[i] ? 1.0 : 0.0;
  return right / static_cast<double>(truth.size());
}

void fit(benchmark::State& state, const Subject& subject, std::size_t rows, std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const data::Task task = subject.task;
  const std::vector<double> y = target_of(both.train, subject);
  std::unique_ptr<models::Estimator> estimator;
  for (auto _ : state) {
    estimator = models::make_estimator(subject.model, subject.parameters, task);
    estimator->fit(both.train.x, y);
  }
  state.counters["r2"] =
      score(target_of(both.held_out, subject), estimator->predict(both.held_out.x), task);
}

void predict(benchmark::State& state, const Subject& subject, std::size_t rows, std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  const data::Task task = subject.task;
  const auto estimator = models::make_estimator(subject.model, subject.parameters, task);
  estimator->fit(both.train.x, target_of(both.train, subject));
  std::vector<double> predictions;
  for (auto _ : state) predictions = estimator->predict(both.held_out.x);
  state.counters["r2"] = score(target_of(both.held_out, subject), predictions, task);
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

/// The least seconds of a few runs.
template <class Run>
double least_seconds(Run run) {
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    least = std::min(least, taken.count());
  }
  return least;
}

/// Counts the bytes of a file, whose pages are in memory, and what one read of them takes: into
/// memory that is allocated for it, into memory that has been used, and where they are mapped.
void add_reads(benchmark::State& state, const std::string& path) {
  const core::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::size_t size = std::filesystem::file_size(path);
  const auto read_into = [&](char* bytes) {
    for (std::size_t done = 0; done < size;) {
      const ssize_t more = ::pread(fd.get(), bytes + done, size - done, static_cast<off_t>(done));
      if (more <= 0) throw core::IoError("cannot read the model file", errno);
      done += static_cast<std::size_t>(more);
    }
    benchmark::DoNotOptimize(bytes[size / 2]);
  };
  state.counters["bytes"] = static_cast<double>(size);
  state.counters["read_new"] =
      least_seconds([&] { read_into(std::make_unique_for_overwrite<char[]>(size).get()); });
  std::vector<char> used(size);
  state.counters["read_used"] = least_seconds([&] { read_into(used.data()); });
  state.counters["read_mapped"] = least_seconds([&] {
    const core::Mapping mapping(fd.get(), size, core::Mapping::Access::kRead);
    const auto* words = static_cast<const std::uint64_t*>(mapping.data());
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < size / sizeof(std::uint64_t); ++i) sum += words[i];
    benchmark::DoNotOptimize(sum);
  });
}

/// From a file to the prediction of one row; the file's pages are in memory.
void load(benchmark::State& state, const std::string& name, std::size_t rows, std::size_t cols) {
  const bench::Tables& both = tables_of(rows, cols);
  data::Table table;
  for (std::size_t j = 0; j < cols; ++j)
    table.add(data::number_column(fmt::format("x{}", j), both.train.x.column(j)));
  table.add(data::number_column("y", both.train.y));
  std::vector<std::uint32_t> all(rows);
  std::iota(all.begin(), all.end(), 0U);
  const data::FeatureEncoder encoder =
      data::FeatureEncoder::fit(table, data::select_features(table, {.target = "y"}), all,
                                models::find_estimator(name).encoding);
  std::shared_ptr<models::Estimator> estimator = models::make_estimator(name);
  estimator->fit(encoder.transform(table), both.train.y);
  const std::string path =
      std::filesystem::temp_directory_path() / fmt::format("models_bench.{}.mutirao", ::getpid());
  models::Model(encoder, estimator, {.target = "y"}).save(path);
  estimator.reset();
  data::Table row;
  for (std::size_t j = 0; j < cols; ++j)
    row.add(data::number_column(fmt::format("x{}", j), both.held_out.x.column(j).first(1)));
  for (auto _ : state) benchmark::DoNotOptimize(models::Model::load(path).predict(row).front());
  add_reads(state, path);
  std::filesystem::remove(path);
}

void add_fit_and_predict(const Subject& subject, std::size_t rows, std::size_t cols) {
  for (const bool fits : {true, false}) {
    const std::string name =
        fmt::format("{}/{}/{}x{}", fits ? "fit" : "predict", subject.name(), rows, cols);
    benchmark::RegisterBenchmark(name.c_str(), fits ? fit : predict, subject, rows, cols)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

/// A number of kB from /proc/self/status, in bytes.
double memory(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return 1024.0 * std::stod(line.substr(field.size() + 1));
  }
  return 0.0;
}

void print_peak(const std::string& what) {
  const std::string model = what.substr(0, what.find('/'));
  const std::string size = what.substr(what.find('/') + 1);
  const Subject subject = model == small_forest().name() ? small_forest() : Subject{.model = model};
  const bench::Table table =
      bench::friedman(std::stoul(size), std::stoul(size.substr(size.find('x') + 1)), 1);
  const auto estimator = models::make_estimator(subject.model, subject.parameters);
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak is now
  const double before = memory("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  estimator->fit(table.x, table.y);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  fmt::print("{{\"seconds\": {}, \"bytes\": {}}}\n", taken.count(), memory("VmHWM") - before);
}

void add_benchmarks() {
  for (const auto& [rows, cols] : kLongSizes) add_fit_and_predict(small_forest(), rows, cols);
  for (const auto& [rows, cols] : kSizes) {
    benchmark::RegisterBenchmark(fmt::format("load/random_forest/{}x{}", rows, cols).c_str(), load,
                                 "random_forest", rows, cols)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(fmt::format("predict_row/random_forest/{}x{}", rows, cols).c_str(),
                                 predict_row, "random_forest", rows, cols)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    for (const models::EstimatorInfo& info : models::estimators())
      add_fit_and_predict({.model = info.name, .task = info.task}, rows, cols);
    add_fit_and_predict({.model = "random_forest",
                         .parameters = {{"max_features", "0.3333333333333333"}},
                         .suffix = "_third"},
                        rows, cols);
    add_fit_and_predict(
        {.model = "logistic_regression", .task = data::Task::kClassification, .thresholds = {15.0}},
        rows, cols);
  }
  for (const char* model : {"random_forest", "extra_trees", "logistic_regression"}) {
    add_fit_and_predict({.model = model, .task = data::Task::kClassification}, bench::kDigitsRows,
                        bench::kDigitsCols);
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr char kWrite[] = "--write_tables=";
  if (argc == 2 && std::strncmp(argv[1], kWrite, sizeof kWrite - 1) == 0) {
    for (const auto& [rows, cols] : kSizes)
      bench::write(bench::tables(rows, cols), argv[1] + sizeof kWrite - 1);
    bench::write(bench::digits(), argv[1] + sizeof kWrite - 1);
    for (const auto& [rows, cols] : kLongSizes)
      bench::write(bench::tables(rows, cols), argv[1] + sizeof kWrite - 1);
    return 0;
  }
  constexpr char kPeak[] = "--peak=";
  if (argc == 2 && std::strncmp(argv[1], kPeak, sizeof kPeak - 1) == 0) {
    print_peak(argv[1] + sizeof kPeak - 1);
    return 0;
  }
  add_benchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
