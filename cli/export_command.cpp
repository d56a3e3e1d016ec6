#include <memory>
#include <string>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/onnx.hpp"
#include "mutirao/train/predict.hpp"

namespace mutirao::cli {
namespace {

struct Typed {
  std::string model, out, name;
};

int run(const Typed& typed) {
  if (!typed.out.ends_with(".onnx")) {
    throw core::InvalidArgument(
        fmt::format("what {} should hold cannot be told: only ONNX is written", typed.out),
        "name a file that ends in .onnx");
  }
  const models::Model model = models::Model::load(train::model_file_of(typed.model, typed.name));
  core::AtomicFile out(typed.out);
  out.write(models::to_onnx(model));
  out.commit();
  return kSuccess;
}

}  // namespace

Action add_export(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("export", "Write a trained model, with its preprocessing, as ONNX");
  const auto typed = std::make_shared<Typed>();
  command->add_option("model", typed->model, "a run folder (its best model), or a model file")
      ->required()
      ->type_name("RUN_OR_MODEL");
  command->add_option("-o,--out", typed->out, "where to write: a name that ends in .onnx")
      ->required()
      ->type_name("FILE");
  command->add_option("--model", typed->name, "this model of the run, not the best one")
      ->type_name("NAME");
  return [typed] { return run(*typed); };
}

}  // namespace mutirao::cli
