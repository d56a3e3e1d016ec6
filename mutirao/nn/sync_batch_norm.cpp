#include "mutirao/nn/sync_batch_norm.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <torch/autograd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/device.hpp"

namespace mutirao::nn {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// All dimensions but that of the features.
std::vector<std::int64_t> other_dimensions(const Tensor& input) {
  std::vector<std::int64_t> found{0};
  for (std::int64_t i = 2; i < input.dim(); ++i) found.push_back(i);
  return found;
}

/// [features] as [1, features, 1, ...].
Tensor along(const Tensor& values, const Tensor& input) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(input.dim()), 1);
  shape[1] = -1;
  return values.view(shape);
}

std::span<double> numbers(const Tensor& tensor) {
  return {tensor.data_ptr<double>(), static_cast<std::size_t>(tensor.numel())};
}

struct Statistics {
  Tensor mean, variance;  // float64 [features] on the host; the variance is divided by count
  double count = 0.0;
};

/// Of all ranks' inputs: each rank's mean and squared distances from it, put together as Chan,
/// Golub and LeVeque (1979) do, in the order of the ranks.
Statistics statistics_of(comm::Communicator& ranks, const Tensor& input) {
  if (internal::is_capturing(input.device())) {
    throw core::Unsupported("SyncBatchNorm looks at values and cannot be captured",
                            "train this model without CapturedStep, or use torch's BatchNorm");
  }
  const std::int64_t features = input.size(1);
  const auto dimensions = other_dimensions(input);
  const double count = static_cast<double>(input.numel()) / static_cast<double>(features);
  Tensor mine = torch::zeros({2 * features + 1}, torch::kFloat64);
  if (count > 0) {
    const Tensor wide = input.to(torch::kFloat64);
    const Tensor mean = wide.mean(dimensions);
    mine.narrow(0, 0, features).copy_(mean);
    mine.narrow(0, features, features).copy_((wide - along(mean, wide)).square().sum(dimensions));
    mine[2 * features] = count;
  }
  const Tensor all = torch::empty({ranks.size(), 2 * features + 1}, torch::kFloat64);
  ranks.all_gather(std::span<const double>(numbers(mine)), numbers(all)).wait();
  Statistics total{.mean = torch::zeros({features}, torch::kFloat64),
                   .variance = torch::zeros({features}, torch::kFloat64)};
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const double more = all[rank][2 * features].item<double>();
    if (more == 0.0) continue;
    const double sum = total.count + more;
    const Tensor away = all[rank].narrow(0, 0, features) - total.mean;
    total.mean += away * (more / sum);
    total.variance +=
        all[rank].narrow(0, features, features) + away.square() * (total.count * more / sum);
    total.count = sum;
  }
  if (total.count < 2.0) {
    throw core::InvalidArgument(
        fmt::format("{} value per feature on all ranks together has no variance", total.count),
        "use a larger batch, or eval()");
  }
  total.variance /= total.count;
  return total;
}

/// (input - mean) * inverse, where mean and inverse depend on all ranks' inputs.
struct Normalize : public torch::autograd::Function<Normalize> {
  // The communicator travels as a number: what a node keeps are values.
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& mean,
                        const Tensor& inverse, double count, std::int64_t communicator) {
    const Tensor normal = (input - along(mean, input)) * along(inverse, input);
    context->save_for_backward({normal, inverse});
    context->saved_data["count"] = count;
    context->saved_data["communicator"] = communicator;
    return normal;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &normal = saved[0], &inverse = saved[1], &slope = gradients[0];
    auto& ranks =
        *reinterpret_cast<comm::Communicator*>(context->saved_data["communicator"].toInt());
    const double count = context->saved_data["count"].toDouble();
    const auto dimensions = other_dimensions(normal);
    const std::int64_t features = normal.size(1);
    // Over the host, also from a GPU: it is little.
    const Tensor sums = torch::cat({slope.sum(dimensions), (slope * normal).sum(dimensions)})
                            .to(torch::kFloat64)
                            .to(torch::kCPU);
    ranks.all_reduce(numbers(sums)).wait();
    const Tensor means = (sums / count).to(slope.options());
    const Tensor input_gradient = (slope - along(means.narrow(0, 0, features), slope) -
                                   normal * along(means.narrow(0, features, features), slope)) *
                                  along(inverse, slope);
    return {input_gradient, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

SyncBatchNormImpl::SyncBatchNormImpl(comm::Communicator& ranks,
                                     const torch::nn::BatchNormOptions& given)
    : options(given), ranks_(ranks) {
  const std::int64_t features = options.num_features();
  const bool affine = options.affine();
  weight = register_parameter("weight", affine ? torch::ones({features}) : Tensor(), affine);
  bias = register_parameter("bias", affine ? torch::zeros({features}) : Tensor(), affine);
  const bool tracked = options.track_running_stats();
  running_mean = register_buffer("running_mean", tracked ? torch::zeros({features}) : Tensor());
  running_var = register_buffer("running_var", tracked ? torch::ones({features}) : Tensor());
  num_batches_tracked =
      register_buffer("num_batches_tracked", tracked ? torch::tensor(0, torch::kLong) : Tensor());
}

Tensor SyncBatchNormImpl::forward(const Tensor& input) {
  if (input.dim() < 2 || input.size(1) != options.num_features()) {
    throw core::InvalidArgument(fmt::format("input of {} dimensions does not have {} features",
                                            input.dim(), options.num_features()),
                                "give [batch, features, ...]");
  }
  if (!is_training() && running_mean.defined()) {
    return torch::batch_norm(input, weight, bias, running_mean, running_var, /*training=*/false,
                             0.0, options.eps(), /*cudnn_enabled=*/false);
  }
  Tensor mean, inverse;
  double count;
  {
    const torch::NoGradGuard no_grad;
    const Statistics found = statistics_of(ranks_, input);
    count = found.count;
    mean = found.mean.to(input.options());
    inverse = (found.variance + options.eps()).rsqrt().to(input.options());
    if (is_training() && running_mean.defined()) {
      num_batches_tracked += 1;
      // Without a momentum: the plain mean over all batches so far.
      const double part =
          options.momentum() ? *options.momentum() : 1.0 / num_batches_tracked.item<double>();
      running_mean.mul_(1.0 - part).add_(mean, part);
      running_var.mul_(1.0 - part)
          .add_((found.variance * (count / (count - 1.0))).to(input.options()), part);
    }
  }
  Tensor output =
      Normalize::apply(input, mean, inverse, count, reinterpret_cast<std::int64_t>(&ranks_));
  if (weight.defined()) output = output * along(weight, input) + along(bias, input);
  return output;
}

}  // namespace mutirao::nn
