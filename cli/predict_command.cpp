#include <memory>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/data/csv.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/train/predict.hpp"

namespace mutirao::cli {
namespace {

struct Typed {
  std::string model, data, out, name;
};

int run(const Typed& typed) {
  const std::string file = train::model_file_of(typed.model, typed.name);
  exec::ProcessExecutor process({.workers = 1});
  train::Predictions predictions;
  try {
    predictions = process.submit({.name = "predicting"}, train::predict, file, typed.data).get();
  } catch (const exec::TaskCrashed& crash) {
    throw core::InvalidInput(fmt::format("predicting for {} failed: {}", typed.data, crash.what()),
                             "check the data with another reader");
  }
  if (!predictions.ignored.empty()) {
    print_note(fmt::format("{} {} ignored: the model does not use {}",
                           fmt::join(predictions.ignored, ", "),
                           predictions.ignored.size() == 1 ? "is" : "are",
                           predictions.ignored.size() == 1 ? "it" : "them"));
  }
  if (typed.out.empty()) {
    print_result(data::csv_of(predictions.table));
  } else if (typed.out.ends_with(".parquet")) {
    process
        .submit({.name = "writing"}, data::write_parquet, typed.out, predictions.table,
                exec::available_cores())
        .get();
  } else {
    core::AtomicFile out(typed.out);
    out.write(data::csv_of(predictions.table));
    out.commit();
  }
  return kSuccess;
}

}  // namespace

Action add_predict(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Predict for new data with a trained model");
  const auto typed = std::make_shared<Typed>();
  command->add_option("model", typed->model, "a run folder (its best model), or a model file")
      ->required()
      ->type_name("RUN_OR_MODEL");
  command->add_option("data", typed->data, "a file, a glob or a query, as for train")->required();
  command
      ->add_option("-o,--out", typed->out,
                   "where to write: CSV, or Parquet if it ends in .parquet (CSV on stdout)")
      ->type_name("FILE");
  command->add_option("--model", typed->name, "this model of the run, not the best one")
      ->type_name("NAME");
  return [typed] { return run(*typed); };
}

}  // namespace mutirao::cli
