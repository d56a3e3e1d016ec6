#include "mutirao/models/blended_model.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/blend.hpp"

namespace mutirao::models {

Model blended_model(const std::vector<WeightedModel>& models) {
  if (models.empty()) throw core::InvalidArgument("there are no models to blend");
  std::vector<data::FeatureEncoder> encoders;
  std::vector<std::size_t> first_columns;
  std::vector<BlendMember> members;
  std::size_t width = 0;
  for (const auto& [label, model, weight] : models) {
    auto known = std::find(encoders.begin(), encoders.end(), model->encoder());
    if (known == encoders.end()) {
      encoders.push_back(model->encoder());
      first_columns.push_back(width);
      width += model->encoder().width();
      known = encoders.end() - 1;
    }
    members.push_back(
        {.label = label,
         .estimator = std::shared_ptr<const Estimator>(model, &model->estimator()),
         .weight = weight,
         .first_column = first_columns[static_cast<std::size_t>(known - encoders.begin())],
         .n_columns = model->encoder().width()});
  }
  return {data::FeatureEncoder::side_by_side(encoders),
          std::make_shared<const Blend>(std::move(members)), models.front().model->info()};
}

}  // namespace mutirao::models
