#include "mutirao/models/level_orders.hpp"

#include <utility>

namespace mutirao::models {

LevelOrders::LevelOrders(std::vector<Column> columns) : columns_(std::move(columns)) {
  if (columns_.empty()) return;
  of_.assign(columns_.back().column + 1, kNone);
  for (std::uint32_t i = 0; i < columns_.size(); ++i) of_[columns_[i].column] = i;
}

}  // namespace mutirao::models
