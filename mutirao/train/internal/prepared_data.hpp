#pragma once

// What all candidates of a run learn from; made once, in a worker process, and shared.

#include <cstdint>
#include <string>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/data/class_labels.hpp"
#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/data/feature_selection.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/data/table.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/train/config.hpp"

namespace mutirao::train::internal {

struct PreparedData {
  data::Table table;                  // the rows that are learned from and tested
  core::SharedArray<double> y;        // one per row of it; of classes their indices
  core::SharedArray<double> weights;  // one per row of it; empty: all 1
  data::ClassLabels classes;          // empty: regression
  std::size_t positive = 1;           // of two classes
  // Where each row came from, counted from 0; empty when no row was dropped.
  core::SharedArray<std::uint32_t> source_rows;
  std::uint64_t rows_dropped = 0;
  data::Task task = data::Task::kRegression;
  data::FeatureSelection selection;
  core::SharedArray<std::uint32_t> fold_numbers;  // see data::split_of
  data::Learns learns = data::Learns::kFromAllOthers;
  std::string fingerprint;            // of the table as it was read
  std::string reader;                 // the version of the library that read it
  std::vector<std::string> notes;     // what was decided for the user
  std::vector<std::string> warnings;  // what the user should look at

  // All rows as models that take codes see them; empty when no candidate does.
  data::FeatureEncoder codes_encoder;
  data::Matrix codes;
  models::RankedMatrix ranks;

  std::size_t rows() const noexcept { return y.size(); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(table, y, weights, classes, positive, source_rows, rows_dropped, task, selection,
            fold_numbers, learns, fingerprint, reader, notes, warnings, codes_encoder, codes,
            ranks);
  }
};

/// Reads, checks and encodes the data. Throws core::InvalidInput for what nobody can learn from.
PreparedData prepare(const TrainConfig& config);

}  // namespace mutirao::train::internal
