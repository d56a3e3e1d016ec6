#include "mutirao/train/internal/fold_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"

namespace mutirao::train::internal {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr int kSchema = 1;

std::string sum_of(std::string_view bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace

std::string fold_file(const std::string& label, std::uint32_t fold) {
  return fmt::format("folds/{}.{}", label, fold + 1);
}

void write_fold(const std::string& path, const FitResult& result) {
  const std::size_t rows = result.predictions.size();
  const std::size_t classes = rows == 0 ? 0 : result.probabilities.size() / rows;
  std::vector<double> values;
  values.reserve(rows * (1 + classes));
  for (std::size_t row = 0; row < rows; ++row) {
    values.push_back(result.predictions[row]);
    for (std::size_t c = 0; c < classes; ++c)
      values.push_back(result.probabilities[row * classes + c]);
  }
  const std::string_view bytes(reinterpret_cast<const char*>(values.data()),
                               values.size() * sizeof(double));
  const Json header = {
      {"schema", kSchema}, {"rows", rows}, {"columns", 1 + classes}, {"xxh3", sum_of(bytes)}};
  core::AtomicFile file(path);
  file.write(header.dump() + "\n");
  file.write(bytes);
  // One that a power cut has shortened does not fit its sum.
  file.commit_unsynced();
}

std::optional<FitResult> read_fold(const std::string& path, const PreparedData& data,
                                   std::uint32_t fold) {
  std::string text;
  try {
    text = core::read_file(path);
  } catch (const core::IoError&) {
    return std::nullopt;
  }
  const std::size_t line = text.find('\n');
  if (line == std::string::npos) return std::nullopt;
  const std::string_view bytes = std::string_view(text).substr(line + 1);
  const auto rows = static_cast<std::size_t>(
      std::count(data.fold_numbers.begin(), data.fold_numbers.end(), fold));
  const std::size_t classes = data.classes.size();
  const Json expected = {
      {"schema", kSchema}, {"rows", rows}, {"columns", 1 + classes}, {"xxh3", sum_of(bytes)}};
  if (text.compare(0, line, expected.dump()) != 0 ||
      bytes.size() != rows * (1 + classes) * sizeof(double))
    return std::nullopt;
  std::vector<double> predictions(rows);
  std::vector<double> probabilities(rows * classes);
  for (std::size_t row = 0; row < rows; ++row) {
    const char* const from = bytes.data() + row * (1 + classes) * sizeof(double);
    std::memcpy(&predictions[row], from, sizeof(double));
    if (classes != 0)
      std::memcpy(&probabilities[row * classes], from + sizeof(double), classes * sizeof(double));
  }
  FitResult result;
  result.predictions = core::SharedArray<double>::copy_of(predictions);
  result.probabilities = core::SharedArray<double>::copy_of(probabilities);
  return result;
}

}  // namespace mutirao::train::internal
