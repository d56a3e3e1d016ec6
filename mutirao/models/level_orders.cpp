#include "mutirao/models/level_orders.hpp"

#include <algorithm>
#include <utility>

namespace mutirao::models {

bool LevelOrders::Column::operator==(const Column& other) const noexcept {
  const auto same = [](float a, float b) { return a == b || (a != a && b != b); };
  return column == other.column && same(otherwise, other.otherwise) &&
         std::equal(positions.begin(), positions.end(), other.positions.begin(),
                    other.positions.end(), same);
}

LevelOrders::LevelOrders(std::vector<Column> columns) : columns_(std::move(columns)) {
  if (columns_.empty()) return;
  of_.assign(columns_.back().column + 1, kNone);
  for (std::uint32_t i = 0; i < columns_.size(); ++i) of_[columns_[i].column] = i;
}

}  // namespace mutirao::models
