#pragma once

// Training that goes on where it stopped.
//
// Purpose: save() writes all that the next step depends on; resume() restores it, and training
// continues with the same bytes as if it had not stopped: parameters and buffers, the optimizer's
// state and rates, each rank's place in its data, its random numbers, the schedule, and numbers of
// the caller. Requires: every rank calls with the same parts; rank 0 sees the folder.
// Guarantees: a file is there whole or not at all, also when a rank is killed or the disk is full;
// it is checked by a sum when it is read, and one that is damaged is passed over for the one before
// (Resumed::passed_over says why). The newest `keep` are kept.
// Thread safety: one object, one thread. Failure: the same on every rank: core::Error of what rank
// 0 could not write or read; core::CorruptFile when there are files and none is whole;
// core::InvalidInput when the checkpoint is of another model or world size, and nothing is changed.
// Lifetime: what the parts point to, and the Communicator, outlive the Checkpoints.
//
//   nn::Checkpoints checkpoints(ranks, {.module = &*model.module(), .optimizer = &optimizer},
//                               {.folder = "runs/digits"});
//   const auto resumed = checkpoints.resume();
//   for (std::int64_t epoch = resumed ? resumed->step : 0; epoch < 10; ) {
//     train(epoch++);
//     checkpoints.save(epoch);
//   }

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/nn/distributed_sampler.hpp"
#include "mutirao/nn/learning_rate.hpp"

namespace mutirao::nn {

/// What is saved and restored, beside the random numbers; what is null is left out.
struct TrainingParts {
  torch::nn::Module* module = nullptr;
  torch::optim::Optimizer* optimizer = nullptr;
  DistributedSampler* sampler = nullptr;
  LearningRate* learning_rate = nullptr;
};

struct CheckpointOptions {
  std::string folder;
  int keep = 3;
};

struct Resumed {
  std::int64_t step = 0;                 ///< as save() was given it
  std::map<std::string, double> values;  ///< as save() was given them
  std::string path;
  std::vector<std::string> passed_over;  ///< why newer files were not used
};

class Checkpoints {
 public:
  Checkpoints(comm::Communicator& ranks, const TrainingParts& parts,
              const CheckpointOptions& options);

  /// Collective. When it returns, the checkpoint is on disk.
  void save(std::int64_t step, const std::map<std::string, double>& values = {});
  /// From the newest whole checkpoint; nothing when the folder has none. Collective.
  std::optional<Resumed> resume();

 private:
  std::string encode(std::int64_t step, const std::map<std::string, double>& values);
  Resumed decode(const std::string& payload);

  comm::Communicator& ranks_;
  const TrainingParts parts_;
  const CheckpointOptions options_;
};

/// Parameters and buffers alone, for a program that evaluates. No collective. Throws
/// core::CorruptFile, core::InvalidInput.
void load_module(const std::string& path, torch::nn::Module& module);

}  // namespace mutirao::nn
