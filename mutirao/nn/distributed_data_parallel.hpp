#pragma once

// A model that several ranks train together, each on its own part of every batch.
//
// Purpose: the one line that turns a training loop into a distributed one. M is what holds a
// module: a torch::nn module such as Sequential, a TORCH_MODULE, or a std::shared_ptr<Net>. Calls
// go to the module's own forward(), with its own types. Requires, guarantees, ordering, thread
// safety and failure: those of Reducer. The module's names do not change, so checkpoints fit with
// and without. Lifetime: the Communicator outlives it.
//
//   comm::Communicator ranks;
//   nn::DistributedDataParallel model(ranks, torch::nn::Sequential(torch::nn::Linear(64, 10)));
//   torch::optim::SGD optimizer(model->parameters(), 0.1);
//   torch::nn::functional::cross_entropy(model(x), y).backward();
//   optimizer.step();

#include <functional>
#include <utility>

#include <torch/nn/module.h>

#include "mutirao/nn/reducer.hpp"

namespace mutirao::nn {

template <class M>
class DistributedDataParallel {
 public:
  /// Collective; see Reducer.
  DistributedDataParallel(comm::Communicator& ranks, M module, const ReducerOptions& options = {})
      : module_(std::move(module)),
        reducer_(ranks, named(module_->named_parameters()), named(module_->named_buffers()),
                 options) {}

  /// The module's forward().
  template <class... Arguments>
  decltype(auto) operator()(Arguments&&... arguments) {
    return module_->forward(std::forward<Arguments>(arguments)...);
  }

  auto* operator->() { return &*module_; }
  M& module() noexcept { return module_; }
  Reducer& reducer() noexcept { return reducer_; }

  /// See Reducer::NoSync: `{ auto alone = model.no_sync(); ...backward(); }`
  Reducer::NoSync no_sync() noexcept { return reducer_.no_sync(); }
  /// See Reducer::join.
  void join(const std::function<void()>& step) { reducer_.join(step); }

 private:
  M module_;
  Reducer reducer_;
};

}  // namespace mutirao::nn
