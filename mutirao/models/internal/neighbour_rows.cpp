#include "mutirao/models/internal/neighbour_rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <nanoflann.hpp>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/distance_kernels.hpp"
#include "mutirao/models/internal/training_rows.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kMostTreeColumns = 15;
/// A k-d tree looks at more rows with every column, all distances at all of them: fewest rows for
/// which it is sooner, without columns, and times how many for each column.
constexpr double kLeastTreeRows = 2600.0;
constexpr double kMoreTreeRows = 1.66;
constexpr std::size_t kPoints = 96;       // a unit of work, at most
constexpr std::size_t kMostPanels = 16;   // that are looked at with one limit
constexpr std::uint32_t kManyRows = 128;  // of these, too many to be measured one by one
constexpr std::size_t kRows = 512;  // of a block, whose columns stay in the second-level cache
constexpr double kMost = 1e150;     // its square is finite

void check_value(double value, std::size_t column, std::size_t row, const char* where) {
  if (std::abs(value) <= kMost) return;
  throw core::InvalidInput(
      fmt::format("column {} {} in row {}{}", column,
                  std::isnan(value) ? "has no value" : "has a value too large for distances", row,
                  where),
      "neighbours need a number of at most 1e150 in every cell: fill the empty ones");
}

/// Keeps the k nearest, sorted. What is as far as the last one may still have an earlier row.
class Nearest {
 public:
  Nearest(Neighbour* first, std::size_t k) : first_(first), k_(k) { clear(); }
  void clear() {
    count_ = 0;
    worst_ = std::numeric_limits<double>::infinity();
  }
  double worst() const noexcept { return worst_; }
  std::size_t count() const noexcept { return count_; }
  bool full() const noexcept { return count_ == k_; }
  void add(const Neighbour& neighbour) {
    if (count_ == k_ && !(neighbour < first_[k_ - 1])) return;
    std::size_t at = count_ == k_ ? k_ - 1 : count_++;
    for (; at > 0 && neighbour < first_[at - 1]; --at) first_[at] = first_[at - 1];
    first_[at] = neighbour;
    if (count_ == k_) worst_ = first_[k_ - 1].distance;
  }

 private:
  Neighbour* first_;
  std::size_t k_;
  std::size_t count_ = 0;
  double worst_ = 0.0;
};

/// How nanoflann sees the rows.
struct Points {
  std::vector<double> x;  // row-major
  std::size_t rows;
  std::size_t cols;
  std::size_t kdtree_get_point_count() const { return rows; }
  double kdtree_get_pt(std::size_t row, std::size_t column) const { return x[row * cols + column]; }
  template <class Box>
  bool kdtree_get_bbox(Box& /*box*/) const {
    return false;
  }
};

/// How nanoflann measures: as the kernels do, column after column.
template <int P>
struct Metric {
  using ElementType = double;
  using DistanceType = double;
  const Points& points;

  explicit Metric(const Points& from) : points(from) {}
  double accum_dist(double a, double b, std::size_t /*column*/) const {
    const double off = b - a;
    return P == 2 ? off * off : std::abs(off);
  }
  double evalMetric(const double* point, std::size_t row, std::size_t size,
                    double /*worst*/ = -1.0) const {
    const double* values = points.x.data() + row * size;
    double sum = 0.0;
    for (std::size_t j = 0; j < size; ++j) sum += accum_dist(point[j], values[j], j);
    return sum;
  }
};

/// How nanoflann gives them.
class Result {
 public:
  explicit Result(Nearest& nearest) : nearest_(nearest) {}
  std::size_t size() const { return nearest_.count(); }
  bool full() const { return true; }
  bool addPoint(double distance, std::uint32_t row) {
    nearest_.add({distance, row});
    return true;
  }
  /// A little more, so that what is as far, and what rounding puts a little farther, is looked at.
  double worstDist() const {
    return nearest_.worst() * (1.0 + 1e-12) + std::numeric_limits<double>::min();
  }

 private:
  Nearest& nearest_;
};

template <int P>
using KdTree = nanoflann::KDTreeSingleIndexAdaptor<Metric<P>, Points, -1, std::uint32_t>;

/// Adds `height` rows from `first` on, all measured; `distances`: scratch.
void add_all(const DistanceKernels& kernels, std::span<const double> x, std::size_t rows,
             std::size_t cols, std::size_t first, std::size_t height, const double* point, int p,
             std::vector<double>& distances, Nearest& nearest) {
  kernels.distances(x.data() + first, rows, cols, height, point, p, distances.data());
  for (std::size_t r = 0; r < height; ++r) {
    if (distances[r] < nearest.worst() || !nearest.full())
      nearest.add({distances[r], static_cast<std::uint32_t>(first + r)});
  }
}

/// What each of the neighbours counts.
void count_of(std::span<const Neighbour> neighbours, std::span<const double> weight,
              bool by_distance, int p, std::vector<double>& counts) {
  counts.assign(neighbours.size(), 1.0);
  if (by_distance) {
    bool touching = false;
    for (std::size_t k = 0; k < counts.size(); ++k) {
      const double distance = neighbours[k].distance;
      counts[k] = 1.0 / (p == 2 ? std::sqrt(distance) : distance);
      touching |= std::isinf(counts[k]);
    }
    if (touching) {
      for (double& count : counts) count = std::isinf(count) ? 1.0 : 0.0;
    }
  }
  if (!weight.empty()) {
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] *= weight[neighbours[k].row];
  }
  const double largest = *std::max_element(counts.begin(), counts.end());
  double sum = 0.0;
  for (double& count : counts) sum += count /= largest;
  for (double& count : counts) count /= sum;
}

}  // namespace

struct NeighbourRows::Tree {
  Points points;
  std::unique_ptr<KdTree<1>> sizes;
  std::unique_ptr<KdTree<2>> squares;
};

NeighbourRows::NeighbourRows(const TrainingSet& training, int p) : cols_(training.x.cols), p_(p) {
  std::vector<std::uint32_t> rows;
  double largest = 0.0;
  for_each_row(training, [&](std::size_t row, double weight) {
    rows.push_back(static_cast<std::uint32_t>(row));
    largest = std::max(largest, weight);
  });
  const std::size_t n = rows.size();
  const bool weighted = !training.sample_weight.empty();
  auto values = std::make_shared<std::vector<double>>();
  values->reserve(n * (cols_ + 1 + (weighted ? 1 : 0)));
  for (std::size_t j = 0; j < cols_; ++j) {
    const std::span<const double> column = training.x.column(j);
    for (const std::uint32_t row : rows) {
      check_value(column[row], j, row, "");
      values->push_back(column[row]);
    }
  }
  for (const std::uint32_t row : rows) values->push_back(training.y[row]);
  if (weighted) {
    for (const std::uint32_t row : rows) values->push_back(training.sample_weight[row] / largest);
  }
  const std::span<const double> all = *values;
  x_ = all.first(n * cols_);
  y_ = all.subspan(n * cols_, n);
  if (weighted) weight_ = all.subspan(n * (cols_ + 1), n);
  owner_ = std::move(values);
  index(suits_tree());
}

NeighbourRows::NeighbourRows(const SectionReader& reader, int p)
    : p_(p),
      owner_(reader.owner()),
      x_(reader.get<double>("training_x")),
      y_(reader.get<double>("training_y")),
      weight_(reader.get<double>("training_weight")) {
  const auto bounded = [](double value) { return std::abs(value) <= kMost; };
  const auto positive = [](double value) { return value > 0.0 && value <= 1.0; };
  const std::size_t n = y_.size();
  if (n == 0 || n > std::numeric_limits<std::uint32_t>::max() || x_.empty() || x_.size() % n != 0 ||
      (!weight_.empty() && weight_.size() != n) || !std::all_of(x_.begin(), x_.end(), bounded) ||
      !std::all_of(y_.begin(), y_.end(), [](double value) { return std::isfinite(value); }) ||
      !std::all_of(weight_.begin(), weight_.end(), positive))
    throw core::CorruptFile("the training rows are not well formed");
  cols_ = x_.size() / n;
  index(suits_tree());
}

NeighbourRows::~NeighbourRows() = default;

void NeighbourRows::save(SectionWriter& writer) const {
  writer.add("training_x", x_);
  writer.add("training_y", y_);
  writer.add("training_weight", weight_);
}

bool NeighbourRows::suits_tree() const noexcept {
  return cols_ <= kMostTreeColumns &&
         static_cast<double>(rows()) >=
             kLeastTreeRows * std::pow(kMoreTreeRows, static_cast<double>(cols_));
}

void NeighbourRows::index(bool tree) {
  tree_.reset();
  near_.reset();
  if (!tree && p_ == 2) near_ = std::make_unique<NearRows>(x_, rows(), cols_);
  if (!tree) return;
  tree_ = std::make_unique<Tree>();
  tree_->points = {.x = std::vector<double>(x_.size()), .rows = rows(), .cols = cols_};
  for (std::size_t j = 0; j < cols_; ++j) {
    for (std::size_t i = 0; i < rows(); ++i) tree_->points.x[i * cols_ + j] = x_[j * rows() + i];
  }
  const nanoflann::KDTreeSingleIndexAdaptorParams leaves(16);
  const auto dimensions = static_cast<int>(cols_);
  if (p_ == 2) {
    tree_->squares = std::make_unique<KdTree<2>>(dimensions, tree_->points, leaves);
  } else {
    tree_->sizes = std::make_unique<KdTree<1>>(dimensions, tree_->points, leaves);
  }
}

void NeighbourRows::search_all(std::span<const double> points, std::size_t count, std::size_t k,
                               std::vector<Neighbour>& found) const {
  const DistanceKernels& kernels = distance_kernels(core::instruction_set());
  std::vector<double> distances(kRows);
  for (std::size_t i = 0; i < count; i += kPanelPoints) {
    const std::size_t some = std::min(kPanelPoints, count - i);
    const std::span<const double> few = points.subspan(i * cols_, some * cols_);
    if (near_ != nullptr && search_near(few, some, k, found.data() + i * k)) continue;
    std::vector<Nearest> nearest;
    for (std::size_t q = 0; q < some; ++q) nearest.emplace_back(found.data() + (i + q) * k, k);
    for (std::size_t first = 0; first < rows(); first += kRows) {
      for (std::size_t q = 0; q < some; ++q)
        add_all(kernels, x_, rows(), cols_, first, std::min(kRows, rows() - first),
                few.data() + q * cols_, p_, distances, nearest[q]);
    }
  }
}

bool NeighbourRows::search_near(std::span<const double> points, std::size_t count, std::size_t k,
                                Neighbour* found) const {
  NearRows::Points taken;
  if (!near_->take(points, count, taken)) return false;
  const DistanceKernels& kernels = distance_kernels(core::instruction_set());
  std::vector<Nearest> nearest;
  for (std::size_t q = 0; q < count; ++q) nearest.emplace_back(found + q * k, k);
  std::vector<double> distances(kRows);
  std::uint32_t masks[kMostPanels * kPanelPoints];
  // Few panels at first: every row is near until there are some that are.
  std::size_t many = 1;
  for (std::size_t first = 0; first < near_->panels(); first += many) {
    if (first >= 2 * many) many = std::min(2 * many, kMostPanels);
    const std::size_t last = std::min(near_->panels(), first + many);
    double worst[kPanelPoints];
    for (std::size_t q = 0; q < kPanelPoints; ++q)
      worst[q] = q < count ? nearest[q].worst() : -std::numeric_limits<double>::infinity();
    near_->mark(kernels, taken, worst, first, last, masks);
    for (std::size_t q = 0; q < count; ++q) {
      std::uint32_t marked = 0;
      for (std::size_t panel = first; panel < last; ++panel)
        marked +=
            static_cast<std::uint32_t>(std::popcount(masks[(panel - first) * kPanelPoints + q]));
      const double* point = points.data() + q * cols_;
      if (marked > kManyRows) {
        const std::size_t begin = first * kPanelRows;
        const std::size_t end = std::min(rows(), last * kPanelRows);
        add_all(kernels, x_, rows(), cols_, begin, end - begin, point, p_, distances, nearest[q]);
        continue;
      }
      for (std::size_t panel = first; panel < last; ++panel) {
        for (std::uint32_t mask = masks[(panel - first) * kPanelPoints + q]; mask != 0;
             mask &= mask - 1) {
          const std::size_t row =
              panel * kPanelRows + static_cast<std::size_t>(std::countr_zero(mask));
          if (row >= rows()) break;
          double sum = 0.0;
          for (std::size_t j = 0; j < cols_; ++j) {
            const double off = x_[j * rows() + row] - point[j];
            sum += off * off;
          }
          nearest[q].add({sum, static_cast<std::uint32_t>(row)});
        }
      }
    }
  }
  return true;
}

void NeighbourRows::search(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                           std::size_t n, std::size_t k, bool by_distance, exec::CoreBudget& budget,
                           const Visit& visit) const {
  const std::size_t cores = std::max<std::size_t>(1, budget.cores());
  const std::size_t share = (n + cores - 1) / cores;
  const std::size_t height =
      std::min(kPoints, (share + kPanelPoints - 1) / kPanelPoints * kPanelPoints);
  budget.for_each(
      (n + height - 1) / std::max<std::size_t>(1, height), [&](std::size_t unit, std::size_t) {
        const std::size_t first = unit * height;
        const std::size_t count = std::min(height, n - first);
        std::vector<double> points(count * cols_);
        for (std::size_t j = 0; j < cols_; ++j) {
          for (std::size_t i = 0; i < count; ++i) {
            const std::size_t row = rows ? (*rows)[first + i] : first + i;
            const double value = x(row, j);
            check_value(value, j, row, " of what is to be predicted");
            points[i * cols_ + j] = value;
          }
        }
        std::vector<Neighbour> found(count * k);
        if (tree_ == nullptr) {
          search_all(points, count, k, found);
        } else {
          for (std::size_t i = 0; i < count; ++i) {
            Nearest nearest(found.data() + i * k, k);
            Result result(nearest);
            const double* point = points.data() + i * cols_;
            if (p_ == 2) {
              tree_->squares->findNeighbors(result, point, nanoflann::SearchParams());
            } else {
              tree_->sizes->findNeighbors(result, point, nanoflann::SearchParams());
            }
          }
        }
        std::vector<double> counts;
        for (std::size_t i = 0; i < count; ++i) {
          const std::span<const Neighbour> neighbours = std::span(found).subspan(i * k, k);
          count_of(neighbours, weight_, by_distance, p_, counts);
          visit(first + i, neighbours, counts);
        }
      });
}

}  // namespace mutirao::models::internal
