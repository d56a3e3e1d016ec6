#pragma once

// What the fuzzer and the ordinary tests do with the bytes of a model file: read them and, if they
// make a model, predict with it and export it.

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/onnx.hpp"

namespace mutirao::models::test {

/// Whether the bytes make a model. Whatever they are, no other exception than core::CorruptFile
/// leaves Model::load(), and a model that was made predicts and is exported.
inline bool read_and_predict(std::span<const std::byte> bytes) {
  const core::UniqueFd fd(::memfd_create("model", MFD_CLOEXEC));
  if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw core::Error(core::ErrorCode::kIo, "no memory for the file");
  std::optional<Model> model;
  try {
    model.emplace(Model::load("/proc/self/fd/" + std::to_string(fd.get())));
  } catch (const core::CorruptFile&) {
    return false;
  }
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  // Few rows go through all trees at once, many through one tree after the other.
  for (const std::size_t rows : {2, 40}) {
    data::Table table;
    std::vector<double> numbers(rows);
    for (std::size_t i = 0; i < rows; ++i)
      numbers[i] = i % 5 == 1 ? kNaN : static_cast<double>(i) * 0.37 - 1.0;
    std::vector<std::optional<std::string>> words(rows, "Ideal");
    words[0] = std::nullopt;
    try {
      for (const data::FeatureEncoder::Feature& feature : model->encoder().features()) {
        if (table.find(feature.column) != nullptr) continue;
        const bool is_text = feature.type == data::ColumnType::kText;
        data::Column column = is_text ? data::text_column(feature.column, words)
                                      : data::number_column(feature.column, numbers);
        if (!is_text) column.type = feature.type;
        table.add(std::move(column));
      }
      model->predict(table);
    } catch (const core::Error&) {  // values that are too large
    }
    const std::size_t width = model->estimator().n_features();
    std::vector<double> x(rows * width);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = numbers[i % rows];
    const data::MatrixView view{
        .data = x.data(), .rows = rows, .cols = width, .column_stride = rows};
    try {
      model->estimator().predict(view);
      if (model->estimator().n_classes() != 0) model->estimator().predict_proba(view);
    } catch (const core::InvalidInput&) {  // a missing value where there may be none
    }
  }
  try {
    to_onnx(*model);
  } catch (const core::InvalidInput&) {  // no operator for it, names that are taken
  }
  return true;
}

}  // namespace mutirao::models::test
