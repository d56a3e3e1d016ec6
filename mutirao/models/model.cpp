#include "mutirao/models/model.hpp"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/models/blend.hpp"
#include "mutirao/models/internal/model_file.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {

Model::Model(data::FeatureEncoder encoder, std::shared_ptr<const Estimator> estimator,
             ModelInfo info)
    : encoder_(std::move(encoder)), estimator_(std::move(estimator)), info_(std::move(info)) {
  if (estimator_ == nullptr || !estimator_->fitted())
    throw core::InvalidArgument("a model needs an estimator that has been fitted");
  if (estimator_->n_features() != encoder_.width()) {
    throw core::InvalidArgument(fmt::format("the encoder makes {} columns, but {} was fitted on {}",
                                            encoder_.width(), estimator_->name(),
                                            estimator_->n_features()));
  }
  if (estimator_->task() != info_.task) {
    throw core::InvalidArgument(fmt::format("{} is for {}, and the model says {}",
                                            estimator_->name(), data::name_of(estimator_->task()),
                                            data::name_of(info_.task)));
  }
  if (info_.classes.empty() && estimator_->n_classes() > 0) {
    info_.classes.type = data::ColumnType::kNumber;
    for (std::size_t c = 0; c < estimator_->n_classes(); ++c)
      info_.classes.names.push_back(std::to_string(c));
  }
  if (info_.classes.size() != estimator_->n_classes()) {
    throw core::InvalidArgument(fmt::format("{} tells {} classes apart, and the model names {}",
                                            estimator_->name(), estimator_->n_classes(),
                                            info_.classes.size()));
  }
}

std::vector<double> Model::predict(const data::Table& table, exec::CoreBudget* budget) const {
  return estimator_->predict(encoder_.transform(table), budget);
}

std::vector<double> Model::predict_proba(const data::Table& table, exec::CoreBudget* budget) const {
  return estimator_->predict_proba(encoder_.transform(table), budget);
}

void Model::save(const std::string& path) const {
  core::Payload encoder;
  core::OutputArchive archive(encoder);
  archive(encoder_);
  SectionWriter sections;
  sections.add("encoder", std::span<const std::byte>(encoder.bytes));
  estimator_->save(sections);
  internal::ModelFile file{.info = info_,
                           .estimator = std::string(estimator_->name()),
                           .parameters = estimator_->parameters()};
  file.info.version = MUTIRAO_VERSION;
  internal::write_model_file(path, file, sections);
}

Model Model::load(const std::string& path) {
  internal::ModelFile file;
  const SectionReader sections = internal::read_model_file(path, file);
  // What the sums cannot know: a file that was made to deceive.
  try {
    std::shared_ptr<Estimator> estimator;
    if (file.estimator == Blend::kName) {
      estimator = std::make_shared<Blend>(file.info.task);
    } else {
      estimator = make_estimator(file.estimator, file.parameters, file.info.task);
    }
    estimator->load(sections);
    data::FeatureEncoder encoder;
    core::InputArchive archive(sections.get<std::byte>("encoder"), {},
                               core::InputArchive::Lengths::kChecked);
    archive(encoder);
    if (archive.bytes_left() != 0) throw core::CorruptFile("the encoder is longer than it says");
    return {std::move(encoder), std::move(estimator), std::move(file.info)};
  } catch (const std::exception& error) {
    throw core::CorruptFile(fmt::format("the model file {} makes no model: {}", path, error.what()),
                            "train the model again, or copy the file again");
  }
}

}  // namespace mutirao::models
