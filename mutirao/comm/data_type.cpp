#include "mutirao/comm/data_type.hpp"

namespace mutirao::comm {

std::string_view name_of(DataType type) noexcept {
  switch (type) {
    case DataType::kFloat32:
      return "float32";
    case DataType::kFloat64:
      return "float64";
    case DataType::kBfloat16:
      return "bfloat16";
    case DataType::kInt64:
      return "int64";
  }
  return "unknown";
}

std::string_view name_of(Reduction reduction) noexcept {
  switch (reduction) {
    case Reduction::kSum:
      return "sum";
    case Reduction::kMean:
      return "mean";
    case Reduction::kMin:
      return "min";
    case Reduction::kMax:
      return "max";
  }
  return "unknown";
}

}  // namespace mutirao::comm
