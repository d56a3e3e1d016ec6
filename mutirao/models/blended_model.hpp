#pragma once

// Several models as one.
//
// Purpose: an ensemble that is saved, loaded and used as any model. Requires: fitted models of one
// task, of the same classes and the same table, none of which is an ensemble itself. Guarantees:
// every model sees its columns as it did alone; encodings that are equal are made once. Failure:
// core::InvalidArgument for models that cannot be blended (models/blend.hpp). Thread safety: any
// thread.
//
//   Model ensemble = blended_model({{.label = "forest", .model = forest, .weight = 0.7},
//                                   {.label = "ridge", .model = ridge, .weight = 0.3}});

#include <memory>
#include <string>
#include <vector>

#include "mutirao/models/model.hpp"

namespace mutirao::models {

struct WeightedModel {
  std::string label = {};  ///< as BlendMember::label
  std::shared_ptr<const Model> model;
  double weight = 1.0;  ///< above 0; scaled to the sum 1
};

/// The weighted mean of the models, at least one; its info is that of the first.
Model blended_model(const std::vector<WeightedModel>& models);

}  // namespace mutirao::models
