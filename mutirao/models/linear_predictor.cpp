#include "mutirao/models/linear_predictor.hpp"

#include <array>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/linear_values.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models {

void LinearPredictor::assign(std::vector<double> coefficients, double intercept) {
  coefficients_ = std::move(coefficients);
  intercept_ = intercept;
}

void LinearPredictor::predict_rows(data::MatrixView x,
                                   std::optional<std::span<const std::uint32_t>> rows,
                                   std::span<double> out, exec::CoreBudget& budget) const {
  internal::linear_values(x, rows, coefficients_, intercept_, out, budget);
}

void LinearPredictor::save(SectionWriter& writer) const {
  writer.add("coefficients", std::span<const double>(coefficients_));
  const std::array<double, 1> intercept = {intercept_};
  writer.keep("intercept", std::span<const double>(intercept));
}

void LinearPredictor::load(const SectionReader& reader) {
  const std::span<const double> coefficients = reader.get<double>("coefficients");
  const std::span<const double> intercept = reader.get<double>("intercept");
  if (coefficients.empty() || intercept.size() != 1)
    throw core::CorruptFile("the linear model is not well formed");
  assign({coefficients.begin(), coefficients.end()}, intercept[0]);
}

LinearForm in_original_units(const LinearPredictor& model,
                             std::span<const data::Standardization> columns) {
  if (columns.size() != model.coefficients().size())
    throw core::InvalidArgument("there must be one standardization for each coefficient");
  LinearForm form{.coefficients = model.coefficients()};
  long double intercept = model.intercept();
  for (std::size_t j = 0; j < columns.size(); ++j) {
    form.coefficients[j] /= columns[j].scale;
    intercept -= static_cast<long double>(form.coefficients[j]) * columns[j].mean;
  }
  form.intercept = static_cast<double>(intercept);
  return form;
}

}  // namespace mutirao::models
