#pragma once

// From columns of a table to a matrix of numbers, learned on training rows only.
//
// Purpose: what stands between a table and an estimator; saved inside the model file, so that new
// data is treated as the training data was. Guarantees: nothing is learned from rows other than
// those given to fit(). Columns are found by name; extra ones are ignored.
//   numbers    one-hot: missing = mean of the training rows. Standardized: then less that mean, and
//              divided by the standard deviation. Codes: missing stays NaN.
//   booleans   0 and 1, otherwise as numbers.
//   dates      days since 1970, year, month, weekday (Monday = 0), day of year, and hour if a
//              training row has a time; as numbers.
//   text       one-hot, standardized: a column of 0 and 1 per training level in byte order (and one
//              for missing, if it occurs); over 100 levels the 100 commonest and one for the rest
//              of the training levels; unseen = zeros. Codes: the index of the training level in
//              byte order; missing and unseen = NaN (trees order them, models/level_orders.hpp).
// Encoders that stand side by side make the columns of each, one behind the other: for models of
// models. Thread safety: const use from any thread.
// Failure: core::InvalidInput when a column is missing or holds another kind of value than in
// training; core::CorruptFile when an archive holds none that fit() could have made.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/data/feature_selection.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/data/table.hpp"

namespace mutirao::data {

/// The parts of a moment, in the order of their columns; "hour" only if a training row has a time.
inline constexpr std::array<std::string_view, 6> kDateParts = {"days",    "year",        "month",
                                                               "weekday", "day_of_year", "hour"};

/// kOneHot suits linear models without a penalty, kStandardized penalties and distances, kCodes
/// trees.
enum class Encoding : std::uint8_t { kOneHot, kCodes, kStandardized };

/// A column of a matrix is (value - mean) / scale.
struct Standardization {
  double mean = 0.0;
  double scale = 1.0;

  bool operator==(const Standardization&) const = default;
};

/// Columns first .. first + count - 1 of a matrix: exactly one of them is 1 in every training row.
struct OneHotBlock {
  std::size_t first = 0;
  std::size_t count = 0;
};

class FeatureEncoder {
 public:
  /// What was learned of one column of the table.
  struct Feature {
    std::string column;
    Encoding encoding = Encoding::kOneHot;
    ColumnType type = ColumnType::kNumber;  // kText also for numbers that are to be categories
    std::size_t first = 0;                  // of its columns in the matrix
    std::size_t width = 1;
    std::vector<double> means;   // numbers, not codes: what stands for missing, per column
    std::vector<double> scales;  // numbers, standardized: standard deviation, per column
    bool was_text = false;       // text: not made from numbers
    bool has_hour = false;       // dates
    std::vector<std::string>
        levels;  // text: training levels that have a code of their own, in byte order
    std::vector<std::string> others;  // text, not codes: training levels that share a column
    bool has_missing = false;         // text, not codes: missing has a column

    bool operator==(const Feature&) const = default;
    template <class Archive>
    void serialize(Archive& archive) {
      archive(column, encoding, type, first, width, means, scales, was_text, has_hour, levels,
              others, has_missing);
    }
  };

  FeatureEncoder() = default;
  /// Learns from the given rows of the table.
  static FeatureEncoder fit(const Table& table, const FeatureSelection& selection,
                            std::span<const std::uint32_t> rows, Encoding encoding);
  /// Makes the columns of the first, then those of the second, and so on.
  static FeatureEncoder side_by_side(std::span<const FeatureEncoder> encoders);

  /// rows.size() x width(), row i from rows[i].
  Matrix transform(const Table& table, std::span<const std::uint32_t> rows) const;
  /// All rows of the table.
  Matrix transform(const Table& table) const;

  /// The number of columns that transform() makes.
  std::size_t width() const noexcept { return names_.size(); }
  /// "carat", "cut=Ideal", "cut=(missing)", "cut=(other)", "sold.year", ...; width() of them.
  const std::vector<std::string>& feature_names() const noexcept { return names_; }
  /// In the order of the columns that they make. Encoders side by side may have several of one
  /// column of the table.
  const std::vector<Feature>& features() const noexcept { return features_; }
  /// The columns of a table that transform() needs, each once.
  std::vector<std::string> input_columns() const;
  /// Those of them that held text in training (not numbers treated as categories).
  std::vector<std::string> text_columns() const;
  std::vector<OneHotBlock> one_hot_blocks() const;
  /// The columns of the matrix that hold codes of levels, increasing.
  std::vector<std::size_t> category_columns() const;
  /// How each column was standardized, width() of them: mean 0 and scale 1 where it was not.
  /// coefficient / scale is a coefficient in the units of the table.
  std::vector<Standardization> standardization() const;
  /// Whether both treat every table alike.
  bool operator==(const FeatureEncoder&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(features_, names_);
    if constexpr (Archive::is_loading::value) check();
  }

 private:
  /// Throws core::CorruptFile unless fit() could have made it: nothing is written or read outside
  /// a matrix because of what an archive says.
  void check() const;
  void add_text(const Column& column, bool was_text, std::span<const std::uint32_t> rows,
                Encoding encoding);
  void add_numbers(const Column& column, std::span<const std::uint32_t> rows, Encoding encoding);
  void transform_text(const Feature& feature, const Column& column,
                      std::span<const std::uint32_t> rows, Matrix& out) const;
  void transform_numbers(const Feature& feature, const Column& column,
                         std::span<const std::uint32_t> rows, Matrix& out) const;

  std::vector<Feature> features_;
  std::vector<std::string> names_;
};

}  // namespace mutirao::data
