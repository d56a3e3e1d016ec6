#include "mutirao/models/internal/xgboost.hpp"

#include "mutirao/core/error.hpp"

#ifdef MUTIRAO_HAVE_XGBOOST

#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include <dlfcn.h>
#include <xgboost/c_api.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mutirao/models/internal/level_effects.hpp"
#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/internal/training_rows.hpp"

namespace mutirao::models::internal {
namespace {

using nlohmann::json;

// clang-format off
#define MUTIRAO_XGBOOST_FUNCTIONS(X) \
  X(XGBGetLastError) \
  X(XGBSetGlobalConfig) \
  X(XGDMatrixCreateFromMat_omp) \
  X(XGDMatrixSetFloatInfo) \
  X(XGDMatrixFree) \
  X(XGBoosterCreate) \
  X(XGBoosterSetParam) \
  X(XGBoosterUpdateOneIter) \
  X(XGBoosterSaveModelToBuffer) \
  X(XGBoosterFree)
// clang-format on

struct Functions {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a name
#define MUTIRAO_DECLARE(name) decltype(&::name) name = nullptr;
  MUTIRAO_XGBOOST_FUNCTIONS(MUTIRAO_DECLARE)
#undef MUTIRAO_DECLARE
};

void* open_library() {
  std::vector<std::string> places;
  if (const char* named = std::getenv("MUTIRAO_XGBOOST_LIBRARY")) {
    places.emplace_back(named);
  } else {
    places = {MUTIRAO_XGBOOST_BUILD_LIBRARY, "libxgboost.so.0", "libxgboost.so"};
  }
  std::string why;
  for (const std::string& place : places) {
    if (void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    if (why.empty()) why = ::dlerror();
  }
  throw core::Unsupported(fmt::format("gradient boosting needs the XGBoost library: {}", why),
                          "install libxgboost0 (Debian), or name it in MUTIRAO_XGBOOST_LIBRARY");
}

const Functions& xgboost() {
  static const Functions kFunctions = [] {
    void* library = open_library();
    Functions found;
#define MUTIRAO_LOOK_UP(name)                                                \
  found.name = reinterpret_cast<decltype(&::name)>(::dlsym(library, #name)); \
  if (found.name == nullptr)                                                 \
    throw core::Unsupported("the XGBoost library has no function " #name, "install 1.7");
    MUTIRAO_XGBOOST_FUNCTIONS(MUTIRAO_LOOK_UP)
#undef MUTIRAO_LOOK_UP
    return found;
  }();
  return kFunctions;
}

/// Of "[12:00:00] ./src/data.cc:12: what is wrong\nStack trace: ..." what is wrong.
std::string reason_of(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  for (const char* after : {"] ", ": "}) {
    const std::size_t at = text.find(after);
    if (at != std::string_view::npos && at + 2 < text.size()) text.remove_prefix(at + 2);
  }
  return std::string(text);
}

void check(int status) {
  if (status == 0) return;
  throw core::InvalidInput(
      fmt::format("gradient boosting: XGBoost says: {}", reason_of(xgboost().XGBGetLastError())));
}

/// Owns one of XGBoost's objects.
class Handle {
 public:
  explicit Handle(int (*free)(void*)) : free_(free) {}
  ~Handle() {
    if (handle_ != nullptr) free_(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  void** out() noexcept { return &handle_; }
  void* get() const noexcept { return handle_; }

 private:
  int (*free_)(void*);
  void* handle_ = nullptr;
};

/// The tree with children side by side, each behind its parent, breadth first.
void append_tree(const json& tree, std::vector<BoostedNode>& nodes) {
  const auto left = tree.at("left_children").get<std::vector<std::int64_t>>();
  const auto right = tree.at("right_children").get<std::vector<std::int64_t>>();
  const auto feature = tree.at("split_indices").get<std::vector<std::int64_t>>();
  const auto value = tree.at("split_conditions").get<std::vector<float>>();
  const auto missing_left = tree.at("default_left").get<std::vector<int>>();
  const std::size_t first = nodes.size();
  std::vector<std::size_t> old = {0};
  nodes.emplace_back();
  for (std::size_t i = 0; i < old.size(); ++i) {
    const std::size_t from = old[i];
    BoostedNode node{.value = value.at(from)};
    if (left.at(from) >= 0) {
      node.feature = static_cast<std::uint32_t>(feature.at(from)) |
                     (missing_left.at(from) != 0 ? BoostedNode::kMissingLeft : 0U);
      node.left = static_cast<std::uint32_t>(old.size());
      old.push_back(static_cast<std::size_t>(left.at(from)));
      old.push_back(static_cast<std::size_t>(right.at(from)));
      nodes.resize(first + old.size());
    }
    nodes[first + i] = node;
  }
}

}  // namespace

bool built_with_xgboost() noexcept { return true; }

BoostedTrees boost(const TrainingSet& training, const BoostingTask& task,
                   const FitContext& context) {
  throw_if_stopped(context);
  const Functions& functions = xgboost();
  // Of this thread alone: the library never prints.
  check(functions.XGBSetGlobalConfig(R"({"verbosity": 0})"));
  const std::size_t p = training.x.cols;
  const WeightedRows rows = weighted_rows(training);
  LevelOrders levels =
      learn_level_orders(training, rows, task.n_classes, budget_of(context), context.max_cores);
  const SeenMatrix seen(training.x, levels);
  std::vector<float> values;
  std::vector<float> labels;
  std::vector<float> weights;
  for_each_row(training, [&](std::size_t row, double weight) {
    for (std::size_t j = 0; j < p; ++j) values.push_back(seen(row, j));
    labels.push_back(as_float((training.y[row] - task.shift) / task.scale));
    weights.push_back(as_float(weight));
  });
  Handle matrix(functions.XGDMatrixFree);
  check(functions.XGDMatrixCreateFromMat_omp(
      values.data(), labels.size(), p, std::numeric_limits<float>::quiet_NaN(), matrix.out(), 1));
  values = {};
  check(functions.XGDMatrixSetFloatInfo(matrix.get(), "label", labels.data(), labels.size()));
  if (!training.sample_weight.empty())
    check(functions.XGDMatrixSetFloatInfo(matrix.get(), "weight", weights.data(), weights.size()));

  Handle booster(functions.XGBoosterFree);
  void* const matrices[] = {matrix.get()};
  check(functions.XGBoosterCreate(matrices, 1, booster.out()));
  for (const auto& [name, value] : task.parameters)
    check(functions.XGBoosterSetParam(booster.get(), name.c_str(), value.c_str()));
  for (std::int64_t round = 0; round < task.rounds; ++round) {
    throw_if_stopped(context);
    check(functions.XGBoosterUpdateOneIter(booster.get(), static_cast<int>(round), matrix.get()));
    if (context.progress) {
      context.progress(static_cast<std::uint64_t>(round + 1),
                       static_cast<std::uint64_t>(task.rounds));
    }
  }
  bst_ulong size = 0;
  const char* bytes = nullptr;
  check(functions.XGBoosterSaveModelToBuffer(booster.get(), R"({"format": "ubj"})", &size, &bytes));
  std::vector<BoostedNode> nodes;
  std::vector<std::uint64_t> roots;
  try {
    const json model = json::from_ubjson(std::span<const char>(bytes, size));
    for (const json& tree : model.at("learner").at("gradient_booster").at("model").at("trees")) {
      roots.push_back(nodes.size());
      append_tree(tree, nodes);
    }
  } catch (const json::exception& error) {
    throw core::InternalError(
        fmt::format("gradient boosting: XGBoost's model cannot be read: {}", error.what()));
  }
  BoostedTrees trees(p, task.outputs, task.scale, task.shift, std::move(nodes), std::move(roots));
  trees.set_level_orders(std::move(levels));
  return trees;
}

}  // namespace mutirao::models::internal

#else

namespace mutirao::models::internal {

bool built_with_xgboost() noexcept { return false; }

BoostedTrees boost(const TrainingSet& /*training*/, const BoostingTask& /*task*/,
                   const FitContext& /*context*/) {
  throw core::Unsupported("this build has no gradient boosting",
                          "install libxgboost-dev (Debian), and build again");
}

}  // namespace mutirao::models::internal

#endif
