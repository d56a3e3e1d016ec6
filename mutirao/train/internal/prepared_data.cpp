#include "mutirao/train/internal/prepared_data.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/data/column_doubts.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/internal/division.hpp"
#include "mutirao/train/internal/fingerprint.hpp"
#include "mutirao/train/internal/target.hpp"

namespace mutirao::train::internal {
namespace {

void describe_columns(const TrainConfig& config, const data::Table& source,
                      PreparedData& prepared) {
  for (const data::ColumnUse& column : prepared.selection.columns) {
    const bool by_name = column.name == config.target || column.why == "dropped" ||
                         column.name == config.id || column.name == config.weight ||
                         column.name == config.group;
    if (!column.used && !by_name) {
      prepared.notes.push_back(fmt::format("column '{}' is left out: {} (--categorical keeps it)",
                                           column.name, column.why));
    }
    if (column.why == "dropped" && column.name != config.time) continue;
    const std::vector<std::string>& categorical = prepared.selection.categorical;
    const bool meant_as_text =
        column.type == data::ColumnType::kText &&
        std::find(categorical.begin(), categorical.end(), column.name) != categorical.end();
    if (meant_as_text) continue;
    for (std::string& doubt : data::doubts_about(source.at(column.name), [&](std::size_t row) {
           return data::position_of_row(config.data, source, row);
         }))
      prepared.warnings.push_back(std::move(doubt));
  }
  const std::vector<std::string> leaks =
      prepared.task == data::Task::kRegression
          ? data::possible_leaks(prepared.table, prepared.selection, prepared.y.span())
          : data::possible_leaks_of_classes(
                prepared.table, prepared.selection,
                std::vector<std::uint32_t>(prepared.y.begin(), prepared.y.end()));
  for (const std::string& name : leaks) {
    prepared.warnings.push_back(
        fmt::format("column '{}' alone predicts the target almost perfectly: does it leak it? "
                    "(--drop leaves it out)",
                    name));
  }
}

void encode(const TrainConfig& config, PreparedData& prepared) {
  const std::vector<CandidateName> candidates = candidates_of(config, prepared.task);
  const auto any = [&](auto wants) {
    return std::any_of(candidates.begin(), candidates.end(), [&](const CandidateName& name) {
      return wants(models::find_estimator(name.estimator, prepared.task));
    });
  };
  if (!any([](const models::EstimatorInfo& info) {
        return info.encoding == data::Encoding::kCodes;
      }))
    return;
  std::vector<std::uint32_t> rows(prepared.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  prepared.codes_encoder =
      data::FeatureEncoder::fit(prepared.table, prepared.selection, rows, data::Encoding::kCodes);
  prepared.codes = prepared.codes_encoder.transform(prepared.table);
  if (any([](const models::EstimatorInfo& info) { return info.uses_ranks; }))
    prepared.ranks = models::RankedMatrix(prepared.codes);
}

}  // namespace

PreparedData prepare(const TrainConfig& config) {
  PreparedData prepared;
  const data::Table table = data::read_table(config.data, {.threads = config.cores.value_or(0)});
  prepared.fingerprint = fingerprint_of(table);
  prepared.reader = data::duckdb_version();
  decide_task(config, table, prepared);
  keep_usable_rows(config, table, prepared);
  take_target(config, prepared);
  divide(config, prepared);
  prepared.selection = data::select_features(prepared.table, {.target = config.target,
                                                              .drop = config.drop,
                                                              .id = config.id,
                                                              .categorical = config.categorical,
                                                              .weight = config.weight,
                                                              .group = config.group});
  describe_columns(config, table, prepared);
  encode(config, prepared);
  return prepared;
}

}  // namespace mutirao::train::internal
