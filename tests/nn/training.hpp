#pragma once

// Small trainings that tests compare.

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include "mutirao/nn/distributed_data_parallel.hpp"

namespace mutirao::nn {

/// In a rank, where a failed expectation would not be heard.
inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("not so: " + what);
}

/// What `action` throws, as text; "nothing" if it does not.
template <class Error, class Action>
std::string complaint_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

inline torch::nn::Sequential some_model(std::uint64_t seed = 1) {
  torch::manual_seed(seed);
  return torch::nn::Sequential(torch::nn::Linear(20, 16), torch::nn::ReLU(),
                               torch::nn::Linear(16, 12), torch::nn::ReLU(),
                               torch::nn::Linear(12, 4));
}

struct Examples {
  torch::Tensor inputs, classes;
  Examples part(std::int64_t first, std::int64_t count) const {
    return {inputs.narrow(0, first, count), classes.narrow(0, first, count)};
  }
};

inline Examples some_examples(std::int64_t count) {
  torch::manual_seed(77);
  return {torch::randn({count, 20}), torch::randint(4, {count}, torch::kLong)};
}

template <class Model>
torch::Tensor loss_of(Model& model, const Examples& examples) {
  return torch::nn::functional::cross_entropy(model(examples.inputs), examples.classes);
}
inline torch::Tensor loss_of(torch::nn::Sequential& model, const Examples& examples) {
  return torch::nn::functional::cross_entropy(model->forward(examples.inputs), examples.classes);
}

/// All parameters, one behind the other.
inline std::vector<float> values_of(const std::vector<torch::Tensor>& tensors) {
  std::vector<float> values;
  for (const torch::Tensor& tensor : tensors) {
    const torch::Tensor flat = tensor.detach().to(torch::kCPU).contiguous();
    values.insert(values.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  return values;
}

inline std::vector<float> gradients_of(const std::vector<torch::Tensor>& parameters) {
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : parameters) gradients.push_back(parameter.grad());
  return values_of(gradients);
}

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 1e30;
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(double(a[i]) - double(b[i])));
  return largest;
}

inline bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// The same values on every rank, to the byte.
inline void require_equal_on_all(comm::Communicator& ranks, const std::vector<float>& mine,
                                 const std::string& what) {
  std::vector<float> first = mine;
  ranks.broadcast(std::span<float>(first), 0).wait();
  require(same_bytes(first, mine), what + " are the same bytes on all ranks");
}

}  // namespace mutirao::nn
