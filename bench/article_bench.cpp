// Three models at once, each in a process of its own, and back as fitted models: the run that
// people write with concurrent.futures.ProcessPoolExecutor.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "bench/tables.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"

namespace {

using namespace mutirao;

/// A fitted model on its way.
struct Fitted {
  std::string model;
  std::vector<std::string> names;
  std::vector<core::SharedArray<std::byte>> sections;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(model, names, sections);
  }
};

Fitted fit(const std::string& model, const data::Matrix& x, const core::SharedArray<double>& y) {
  const auto estimator = models::make_estimator(model);
  estimator->fit(x, y.span());
  models::SectionWriter writer;
  estimator->save(writer);
  Fitted fitted{.model = model, .names = {}, .sections = {}};
  for (const auto& section : writer.sections()) {
    fitted.names.push_back(section.name);
    fitted.sections.push_back(core::SharedArray<std::byte>::copy_of(section.bytes));
  }
  return fitted;
}

std::unique_ptr<models::Estimator> arrived(Fitted fitted) {
  const auto owner = std::make_shared<const Fitted>(std::move(fitted));
  std::vector<models::SectionWriter::Section> sections;
  for (std::size_t i = 0; i < owner->names.size(); ++i)
    sections.push_back({owner->names[i], owner->sections[i].span()});
  auto estimator = models::make_estimator(owner->model);
  estimator->load(models::SectionReader(std::move(sections), owner));
  return estimator;
}

void three_models(benchmark::State& state) {
  const bench::Tables both = bench::tables(20'640, 8);
  const auto y = core::SharedArray<double>::copy_of(both.train.y);
  std::vector<std::unique_ptr<models::Estimator>> estimators;
  for (auto _ : state) {
    estimators.clear();
    exec::ProcessExecutor pool;
    std::vector<exec::Future<Fitted>> futures;
    for (const char* model : {"linear_regression", "decision_tree", "random_forest"})
      futures.push_back(pool.submit(fit, std::string(model), both.train.x, y));
    for (auto& future : futures) estimators.push_back(arrived(future.get()));
  }
  state.counters["r2"] =
      models::r2_score(both.held_out.y, estimators.back()->predict(both.held_out.x));
}

BENCHMARK(three_models)->Name("article")->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
