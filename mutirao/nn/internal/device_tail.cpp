#include "mutirao/nn/internal/device_tail.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <ATen/ops/_foreach_norm.h>

namespace mutirao::nn::internal {

using torch::Tensor;

void write_tail_on_device(const Tensor& tail, int rank, bool active,
                          const std::vector<Tensor>& gradients, bool look_at_values) {
  const auto count = static_cast<std::int64_t>(gradients.size());
  tail.zero_();
  if (!active) return;
  const Tensor own = tail.view({1 + count, -1}).select(1, rank);
  own.select(0, 0).fill_(1.0);
  const Tensor states = own.narrow(0, 1, count);
  const bool all = std::all_of(gradients.begin(), gradients.end(),
                               [](const Tensor& gradient) { return gradient.defined(); });
  if (all) states.fill_(1.0);
  std::vector<Tensor> looked_at;
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < count; ++i) {
    const Tensor& gradient = gradients[static_cast<std::size_t>(i)];
    if (!gradient.defined()) continue;
    if (!all) states.select(0, i).fill_(1.0);
    if (!look_at_values || gradient.numel() == 0) continue;
    looked_at.push_back(gradient);
    places.push_back(i);
  }
  if (looked_at.empty()) return;
  // The largest magnitude is finite when all values are; a NaN is passed on.
  const auto largest = at::_foreach_norm(looked_at, std::numeric_limits<double>::infinity());
  const Tensor bad = torch::stack(largest).isfinite().logical_not().to(tail.scalar_type());
  if (static_cast<std::int64_t>(places.size()) == count) {
    states.add_(bad);
    return;
  }
  for (std::size_t i = 0; i < places.size(); ++i)
    states.select(0, places[i]).add_(bad.select(0, static_cast<std::int64_t>(i)));
}

}  // namespace mutirao::nn::internal
