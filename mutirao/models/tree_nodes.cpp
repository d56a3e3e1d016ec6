#include "mutirao/models/tree_nodes.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/node_blocks.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/internal/tree_check.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models {
namespace {

/// Rows predicted together, at most. Every block goes through the whole forest, which the larger
/// caches seldom hold: the fewer blocks, the less of it is read again.
constexpr std::size_t kBlockRows = 16384;
/// Words of a tree at most: kernels count them in 32 bits.
constexpr std::uint64_t kMostWords = 0xffffffffU;
/// Numbers of a block at most.
constexpr std::size_t kBlockNumbers = std::size_t{1} << 19;
/// Fewest rows of a block, whatever the number of columns.
constexpr std::size_t kLeastRows = 8;
/// Fewest rows that are worth a thread of their own.
constexpr std::size_t kThreadRows = 256;
/// Fewest words that are checked by more than one thread.
constexpr std::size_t kThreadWords = std::size_t{1} << 16;
/// Up to so many rows, a row goes through all trees at once instead of all rows through a tree.
constexpr std::size_t kFewRows = 16;
/// Words of a forest that is kept in blocks, at most.
constexpr std::size_t kMostBlockedWords = std::size_t{1} << 24;
/// Laying out so many words takes as long as a row saves in a tree.
constexpr std::size_t kWordsPerRow = 3;
/// Rows that are copied column by column while they stay in the cache.
constexpr std::size_t kCopiedRows = 64;

/// Rows of a block when n_rows are predicted.
std::size_t block_rows(std::size_t n_rows, unsigned feature_bits, std::size_t cores) {
  const std::size_t most = std::clamp(kBlockNumbers >> feature_bits, kLeastRows, kBlockRows);
  return std::min(most, std::max(kThreadRows, (n_rows + cores - 1) / cores));
}

/// Rows of x as float32, row by row. A row has room for 2^feature_bits numbers, so whatever a
/// word's feature bits say can be read.
class RowBlock {
 public:
  RowBlock(std::size_t n_features, unsigned feature_bits)
      : n_features_(n_features), feature_bits_(feature_bits) {}

  void fill(internal::SeenMatrix x, std::optional<std::span<const std::uint32_t>> rows,
            std::size_t first, std::size_t count) {
    values_.resize(count << feature_bits_);
    missing_ = false;
    for (std::size_t begin = 0; begin < count; begin += kCopiedRows) {
      const std::size_t end = std::min(count, begin + kCopiedRows);
      for (std::size_t j = 0; j < n_features_; ++j) {
        x.with_column(j, [&](auto seen) {
          for (std::size_t i = begin; i < end; ++i) {
            const float value = seen(rows ? (*rows)[first + i] : first + i);
            values_[(i << feature_bits_) + j] = value;
            missing_ |= value != value;
          }
        });
      }
    }
  }
  const float* row(std::size_t i) const noexcept { return values_.data() + (i << feature_bits_); }
  unsigned bits() const noexcept { return feature_bits_; }
  bool missing() const noexcept { return missing_; }

 private:
  std::size_t n_features_;
  unsigned feature_bits_;
  bool missing_ = false;
  std::vector<float> values_;
};

/// add(i, word): a tree's leaf for row i of x, i < count; the trees of a row in their order.
template <class Add>
void walk_few(const TreeNodes& nodes, data::MatrixView x,
              std::optional<std::span<const std::uint32_t>> rows, std::size_t count, Add add) {
  const unsigned bits = TreeNodes::feature_bits(nodes.n_features());
  const internal::WalkKernels& kernels = internal::walk_kernels(core::instruction_set());
  std::vector<std::uint32_t> roots;
  for (const TreeNodes::Root root : nodes.roots())
    if (root.is_leaf == 0) roots.push_back(static_cast<std::uint32_t>(root.first));
  std::vector<std::uint64_t> leaves(roots.size());
  RowBlock block(nodes.n_features(), bits);
  for (std::size_t i = 0; i < count; ++i) {
    block.fill({x, nodes.level_orders()}, rows, i, 1);
    kernels.find_leaves_of_row(nodes.words().data(), roots.data(), block.row(0), bits, roots.size(),
                               leaves.data());
    auto leaf = leaves.begin();
    for (const TreeNodes::Root root : nodes.roots())
      add(i, root.is_leaf == 0 ? *leaf++ : nodes.words()[root.first]);
  }
}

/// Whether walk_few() is the way.
bool are_few(const TreeNodes& nodes, std::size_t rows) {
  return rows <= kFewRows && nodes.words().size() <= kMostWords;
}

/// Of what rows have room for: blocks need a few numbers at least.
unsigned row_bits(std::size_t n_features, const internal::BlockedForest* blocked) {
  const unsigned bits = TreeNodes::feature_bits(n_features);
  return blocked != nullptr ? std::max(internal::kLeastRowBits, bits) : bits;
}

const internal::BlockedTree* tree_of(const internal::BlockedForest* forest, std::size_t tree) {
  return forest != nullptr ? &forest->trees[tree] : nullptr;
}

/// sum[i] += the leaf of row i, for `count` rows of the block. `blocked`: the tree in blocks, or
/// null.
void add_tree(const internal::WalkKernels& kernels, const std::uint64_t* words,
              TreeNodes::Root root, const internal::BlockedTree* blocked, const RowBlock& block,
              std::size_t count, double* sum) noexcept {
  if (root.is_leaf == 0) {
    if (blocked != nullptr) {
      kernels.add_blocked_leaves(*blocked, block.row(0), block.bits(), block.missing(), count, sum);
    } else {
      kernels.add_leaves(words + root.first, block.row(0), block.bits(), count, sum);
    }
    return;
  }
  const auto value = std::bit_cast<double>(words[root.first]);
  for (std::size_t i = 0; i < count; ++i) sum[i] += value;
}

/// Adds the leaf of a tree of three classes or more.
void add_leaf(const TreeNodes& nodes, std::uint64_t leaf, double* sum) noexcept {
  const std::size_t n_classes = nodes.n_classes();
  if (leaf < n_classes) {
    sum[leaf] += 1.0;
    return;
  }
  const double* row = nodes.distributions().data() + (leaf - n_classes) * n_classes;
  for (std::size_t c = 0; c < n_classes; ++c) sum[c] += row[c];
}

/// The same for three classes or more; `leaves`: scratch.
void add_tree(const internal::WalkKernels& kernels, const TreeNodes& nodes, TreeNodes::Root root,
              const internal::BlockedTree* blocked, const RowBlock& block, std::size_t count,
              std::vector<std::uint64_t>& leaves, double* sum) {
  const std::uint64_t* words = nodes.words().data() + root.first;
  const std::size_t n_classes = nodes.n_classes();
  leaves.resize(count);
  if (root.is_leaf == 0 && blocked != nullptr) {
    kernels.find_blocked_leaves(*blocked, block.row(0), block.bits(), block.missing(), count,
                                leaves.data());
  } else if (root.is_leaf == 0) {
    kernels.find_leaves(words, block.row(0), block.bits(), count, leaves.data());
  } else {
    std::fill(leaves.begin(), leaves.end(), *words);
  }
  for (std::size_t i = 0; i < count; ++i) add_leaf(nodes, leaves[i], sum + i * n_classes);
}

/// From probabilities of class 1, in the front of `out`, to those of one class or of two.
void spread_probabilities(std::span<double> out, std::size_t count, std::size_t n_classes) {
  for (std::size_t i = count; i-- > 0;) {
    const double second = out[i];
    if (n_classes == 2) out[2 * i + 1] = second;
    out[n_classes * i] = 1.0 - second;
  }
}

}  // namespace

unsigned TreeNodes::feature_bits(std::size_t n_features) noexcept {
  return static_cast<unsigned>(std::bit_width(n_features <= 1 ? std::size_t{1} : n_features - 1));
}

TreeNodes::TreeNodes(std::size_t n_features, std::vector<std::vector<std::uint64_t>> trees,
                     std::vector<bool> root_is_leaf, exec::CoreBudget& budget,
                     std::size_t max_cores, std::size_t n_classes,
                     std::vector<double> distributions)
    : n_features_(n_features),
      n_classes_(n_classes),
      blocked_(std::make_shared<internal::BlockedForest>()) {
  struct Storage {
    std::unique_ptr<std::uint64_t[]> words;
    std::vector<Root> roots;
    std::vector<double> distributions;
  };
  auto storage = std::make_shared<Storage>();
  std::size_t total = 0;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    storage->roots.push_back({total, root_is_leaf[i] ? 1U : 0U});
    total += trees[i].size();
  }
  // Not zeroed: the pages of a large forest are first touched by whoever copies into them.
  storage->words = std::make_unique_for_overwrite<std::uint64_t[]>(total);
  budget.for_each(
      trees.size(),
      [&](std::size_t i, std::size_t) {
        std::copy(trees[i].begin(), trees[i].end(), storage->words.get() + storage->roots[i].first);
        std::vector<std::uint64_t>().swap(trees[i]);
      },
      max_cores);
  words_ = {storage->words.get(), total};
  roots_ = storage->roots;
  storage->distributions = std::move(distributions);
  distributions_ = storage->distributions;
  owner_ = std::move(storage);
}

TreeNodes::TreeNodes(std::size_t n_features, std::span<const std::uint64_t> words,
                     std::span<const Root> roots, std::shared_ptr<const void> owner,
                     std::size_t n_classes, std::span<const double> distributions)
    : n_features_(n_features),
      owner_(std::move(owner)),
      words_(words),
      roots_(roots),
      n_classes_(n_classes),
      distributions_(distributions),
      blocked_(std::make_shared<internal::BlockedForest>()) {
  if (n_features == 0 || feature_bits(n_features) > 24 || roots.empty())
    throw core::CorruptFile("the model has no trees or no features");
  const bool table = n_classes > 2;
  if (distributions.size() % (table ? n_classes : 1) != 0 || (!table && !distributions.empty()) ||
      !std::all_of(distributions.begin(), distributions.end(),
                   [](double p) { return p >= 0.0 && p <= 1.0; }))
    throw core::CorruptFile("the probabilities of the model's leaves are none");
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const std::uint64_t last = i + 1 < roots.size() ? roots[i + 1].first : words.size();
    if (roots[i].first >= last || last > words.size() || (i == 0 && roots[i].first != 0) ||
        roots[i].is_leaf > 1 || last - roots[i].first > kMostWords)
      throw core::CorruptFile("the trees of the model do not lie one behind the other");
  }
  const auto check = [this](std::size_t i, std::size_t /*lane*/) {
    internal::check_tree(words_of(i), roots_[i].is_leaf != 0, n_features_, most_of_leaf());
  };
  if (words.size() > kThreadWords) {
    exec::CoreBudget::current().for_each(roots.size(), check);
  } else {
    for (std::size_t i = 0; i < roots.size(); ++i) check(i, 0);
  }
}

void TreeNodes::set_level_orders(LevelOrders levels) {
  level_orders_ = std::make_shared<const LevelOrders>(std::move(levels));
}

std::size_t TreeNodes::leaves(std::size_t i) const {
  return internal::shape_of(words_of(i), roots_[i].is_leaf != 0, feature_bits(n_features_)).leaves;
}

std::size_t TreeNodes::depth(std::size_t i) const {
  return internal::shape_of(words_of(i), roots_[i].is_leaf != 0, feature_bits(n_features_)).depth;
}

const internal::BlockedForest* TreeNodes::blocked(std::size_t n_rows,
                                                  exec::CoreBudget& budget) const {
  const unsigned bits = feature_bits(n_features_);
  if (roots_.empty() || bits > internal::kMostBlockFeatureBits || words_.size() > kMostBlockedWords)
    return nullptr;
  internal::BlockedForest& forest = *blocked_;
  const std::size_t asked = forest.rows_asked.fetch_add(n_rows, std::memory_order_relaxed) + n_rows;
  if (asked < words_.size() / roots_.size() / kWordsPerRow) return nullptr;
  std::call_once(forest.made, [&] {
    forest.trees.resize(roots_.size());
    budget.for_each(roots_.size(), [&](std::size_t i, std::size_t) {
      if (roots_[i].is_leaf == 0) forest.trees[i] = internal::make_blocks(words_of(i), bits);
    });
  });
  return &forest;
}

void TreeNodes::predict_mean(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                             std::span<double> out, exec::CoreBudget& budget) const {
  const auto n_trees = static_cast<double>(roots_.size());
  if (are_few(*this, out.size())) {
    std::fill(out.begin(), out.end(), 0.0);
    walk_few(*this, x, rows, out.size(),
             [&](std::size_t i, std::uint64_t leaf) { out[i] += std::bit_cast<double>(leaf); });
    for (double& sum : out) sum /= n_trees;
    return;
  }
  const std::size_t cores = std::max<std::size_t>(1, budget.cores());
  const internal::BlockedForest* const blocked = this->blocked(out.size(), budget);
  const unsigned bits = row_bits(n_features_, blocked);
  std::vector<std::optional<RowBlock>> blocks(cores);
  const std::size_t rows_each = block_rows(out.size(), bits, cores);
  const internal::WalkKernels& kernels = internal::walk_kernels(core::instruction_set());
  const std::size_t units = (out.size() + rows_each - 1) / rows_each;
  budget.for_each(units, [&](std::size_t unit, std::size_t lane) {
    if (!blocks[lane]) blocks[lane].emplace(n_features_, bits);
    RowBlock& block = *blocks[lane];
    const std::size_t first = unit * rows_each;
    const std::size_t count = std::min(rows_each, out.size() - first);
    block.fill({x, *level_orders_}, rows, first, count);
    double* sum = out.data() + first;
    std::fill_n(sum, count, 0.0);
    for (std::size_t t = 0; t < roots_.size(); ++t)
      add_tree(kernels, words_.data(), roots_[t], tree_of(blocked, t), block, count, sum);
    for (std::size_t i = 0; i < count; ++i) sum[i] /= n_trees;
  });
}

void TreeNodes::predict_distributions(data::MatrixView x,
                                      std::optional<std::span<const std::uint32_t>> rows,
                                      std::span<double> out, exec::CoreBudget& budget) const {
  if (n_classes_ <= 2) {
    const std::size_t count = out.size() / n_classes_;
    predict_mean(x, rows, out.first(count), budget);
    spread_probabilities(out, count, n_classes_);
    return;
  }
  struct Lane {
    std::optional<RowBlock> block;
    std::vector<std::uint64_t> leaves;
  };
  const std::size_t n_rows = out.size() / n_classes_;
  if (are_few(*this, n_rows)) {
    std::fill(out.begin(), out.end(), 0.0);
    walk_few(*this, x, rows, n_rows, [&](std::size_t i, std::uint64_t leaf) {
      add_leaf(*this, leaf, out.data() + i * n_classes_);
    });
    for (double& probability : out) probability /= static_cast<double>(roots_.size());
    return;
  }
  const std::size_t cores = std::max<std::size_t>(1, budget.cores());
  const internal::BlockedForest* const blocked = this->blocked(n_rows, budget);
  const unsigned bits = row_bits(n_features_, blocked);
  std::vector<Lane> lanes(cores);
  const std::size_t rows_each = block_rows(n_rows, bits, cores);
  const internal::WalkKernels& kernels = internal::walk_kernels(core::instruction_set());
  budget.for_each((n_rows + rows_each - 1) / rows_each, [&](std::size_t unit, std::size_t at) {
    Lane& lane = lanes[at];
    if (!lane.block) lane.block.emplace(n_features_, bits);
    const std::size_t first = unit * rows_each;
    const std::size_t count = std::min(rows_each, n_rows - first);
    lane.block->fill({x, *level_orders_}, rows, first, count);
    const std::span<double> sum = out.subspan(first * n_classes_, count * n_classes_);
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::size_t t = 0; t < roots_.size(); ++t)
      add_tree(kernels, *this, roots_[t], tree_of(blocked, t), *lane.block, count, lane.leaves,
               sum.data());
    for (double& probability : sum) probability /= static_cast<double>(roots_.size());
  });
}

void TreeNodes::add_distributions(std::size_t tree, data::MatrixView x,
                                  std::span<const std::uint32_t> rows,
                                  std::span<double> sum) const {
  if (n_classes_ <= 2) {
    std::vector<double> second(rows.size(), 0.0);
    add_predictions(tree, x, rows, second);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      sum[n_classes_ * i] += 1.0 - second[i];
      if (n_classes_ == 2) sum[2 * i + 1] += second[i];
    }
    return;
  }
  const unsigned bits = feature_bits(n_features_);
  const internal::WalkKernels& kernels = internal::walk_kernels(core::instruction_set());
  RowBlock block(n_features_, bits);
  std::vector<std::uint64_t> leaves;
  const std::size_t rows_each = block_rows(rows.size(), bits, 1);
  for (std::size_t first = 0; first < rows.size(); first += rows_each) {
    const std::size_t count = std::min(rows_each, rows.size() - first);
    block.fill({x, *level_orders_}, rows, first, count);
    add_tree(kernels, *this, roots_[tree], nullptr, block, count, leaves,
             sum.data() + first * n_classes_);
  }
}

void TreeNodes::add_predictions(std::size_t tree, data::MatrixView x,
                                std::span<const std::uint32_t> rows, std::span<double> sum) const {
  const unsigned bits = feature_bits(n_features_);
  const internal::WalkKernels& kernels = internal::walk_kernels(core::instruction_set());
  RowBlock block(n_features_, bits);
  const std::size_t rows_each = block_rows(rows.size(), bits, 1);
  for (std::size_t first = 0; first < rows.size(); first += rows_each) {
    const std::size_t count = std::min(rows_each, rows.size() - first);
    block.fill({x, *level_orders_}, rows, first, count);
    add_tree(kernels, words_.data(), roots_[tree], nullptr, block, count, sum.data() + first);
  }
}

}  // namespace mutirao::models
