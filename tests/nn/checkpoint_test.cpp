#include "mutirao/nn/checkpoint.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <torch/nn/modules/dropout.h>

#include "../comm/ranks.hpp"
#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

namespace fs = std::filesystem;
using comm::Communicator;
using comm::run_ranks;
using testing::ElementsAre;
using testing::HasSubstr;

/// A training whose every step depends on everything that a checkpoint holds: dropout draws random
/// numbers, the optimizer has momentum, the schedule and the sampler move.
class Training {
 public:
  Training(Communicator& ranks, const std::string& folder, int keep = 100)
      : ranks_(ranks),
        model_(ranks, made_model()),
        optimizer_(model_->parameters(), torch::optim::AdamWOptions(0.01)),
        rate_(optimizer_, WarmupCosine{.warmup_steps = 4, .total_steps = 40}),
        sampler_(30, {.rank = ranks.rank(), .world_size = ranks.size(), .seed = 5}),
        checkpoints_(ranks,
                     {.module = &*model_.module(),
                      .optimizer = &optimizer_,
                      .sampler = &sampler_,
                      .learning_rate = &rate_},
                     {.folder = folder, .keep = keep}) {
    torch::manual_seed(100 + static_cast<std::uint64_t>(ranks.rank()));  // for dropout
  }

  void step() {
    auto indices = sampler_.next(4);
    if (!indices) {
      sampler_.set_epoch(sampler_.epoch() + 1);
      indices = sampler_.next(4);
    }
    std::vector<std::int64_t> rows(indices->begin(), indices->end());
    const torch::Tensor chosen = torch::tensor(rows);
    optimizer_.zero_grad();
    const torch::Tensor loss =
        torch::nn::functional::cross_entropy(model_(examples_.inputs.index_select(0, chosen)),
                                             examples_.classes.index_select(0, chosen));
    loss.backward();
    optimizer_.step();
    rate_.step();
    losses_.push_back(loss.item<float>());
  }
  void save() {
    checkpoints_.save(static_cast<std::int64_t>(losses_.size()) + begun_,
                      {{"best", 0.25}, {"seen", double(losses_.size())}});
  }
  std::optional<Resumed> resume() {
    auto resumed = checkpoints_.resume();
    if (resumed) begun_ = resumed->step;
    return resumed;
  }
  const std::vector<float>& losses() const { return losses_; }
  std::vector<float> values() { return nn::values_of(model_->parameters()); }

 private:
  static torch::nn::Sequential made_model() {
    torch::manual_seed(8);
    return torch::nn::Sequential(torch::nn::Linear(20, 16), torch::nn::ReLU(),
                                 torch::nn::Dropout(0.3), torch::nn::Linear(16, 4));
  }

  Communicator& ranks_;
  const Examples examples_ = some_examples(30);
  DistributedDataParallel<torch::nn::Sequential> model_;
  FusedAdamW optimizer_;
  LearningRate rate_;
  DistributedSampler sampler_;
  Checkpoints checkpoints_;
  std::int64_t begun_ = 0;
  std::vector<float> losses_;
};

TEST(Checkpoint, AResumedTrainingGivesTheBytesOfOneThatDidNotStop) {
  const data::TemporaryFolder folder;
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        std::vector<float> losses, values;
                        {
                          Training training(ranks, folder.path());
                          require(!training.resume(), "there is nothing yet");
                          for (int step = 0; step < 7; ++step) training.step();
                          training.save();  // in mid epoch
                          for (int step = 0; step < 9; ++step) training.step();
                          losses = training.losses();
                          values = training.values();
                        }
                        Training training(ranks, folder.path());
                        const auto resumed = training.resume();
                        require(resumed && resumed->step == 7, "at step 7");
                        require(resumed->values.at("best") == 0.25, "numbers of the caller");
                        require(resumed->values.at("seen") == 7.0, "all of them");
                        require(resumed->passed_over.empty(), "nothing is damaged");
                        for (int step = 0; step < 9; ++step) training.step();
                        require(same_bytes(training.losses(),
                                           std::vector<float>(losses.begin() + 7, losses.end())),
                                "the loss curve");
                        require(same_bytes(training.values(), values), "the parameters");
                      }),
            "ok");
}

TEST(Checkpoint, OneThatIsCutShortIsPassedOverForTheOneBefore) {
  const data::TemporaryFolder folder;
  const auto file = [&](int step) {
    return folder.file("checkpoint-" + std::to_string(step) + ".mutirao");
  };
  ASSERT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path());
                        for (int i = 0; i < 3; ++i) {
                          training.step();
                          training.save();
                        }
                      }),
            "ok");
  fs::resize_file(file(3), fs::file_size(file(3)) / 2);
  const auto resume = [&](const std::function<void(const std::optional<Resumed>&)>& look) {
    return run_ranks(2, [&](Communicator& ranks) {
      Training training(ranks, folder.path());
      look(training.resume());
    });
  };
  EXPECT_EQ(resume([&](const auto& resumed) {
              require(resumed && resumed->step == 2, "the one before");
              require(resumed->path == file(2), resumed->path);
              require(resumed->passed_over.size() == 1, "the damaged one is told");
              require(resumed->passed_over[0].find(file(3)) == 0, resumed->passed_over[0]);
            }),
            "ok");
  for (const int step : {1, 2}) fs::resize_file(file(step), 5);
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path());
                        try {
                          training.resume();
                        } catch (const core::Error& error) {
                          require(error.code() == core::ErrorCode::kCorruptFile, "on every rank");
                          require(std::string(error.what()).find("is whole") != std::string::npos,
                                  error.what());
                          return;
                        }
                        require(false, "it is an error");
                      }),
            "ok");
}

TEST(Checkpoint, TheNewestAreKept) {
  const data::TemporaryFolder folder;
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path(), /*keep=*/2);
                        for (int i = 0; i < 5; ++i) {
                          training.step();
                          training.save();
                        }
                      }),
            "ok");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_THAT(names, ElementsAre("checkpoint-4.mutirao", "checkpoint-5.mutirao"));
}

TEST(Checkpoint, KilledInMidTrainingTheRestGoesOnAsIfNothingHadBeen) {
  const data::TemporaryFolder folder, undisturbed;
  std::vector<float> expected;
  const auto losses_to = [](const std::string& path) {
    return [path](Communicator& ranks, Training& training, int until, int save_every) {
      for (int step = static_cast<int>(training.losses().size()); step < until; ++step) {
        training.step();
        if ((step + 1) % save_every == 0) training.save();
      }
      if (ranks.rank() != 0) return;
      std::ofstream(path, std::ios::app | std::ios::binary)
          .write(reinterpret_cast<const char*>(training.losses().data()),
                 static_cast<std::streamsize>(training.losses().size() * sizeof(float)));
    };
  };
  const auto read = [](const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  };
  ASSERT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, undisturbed.file("checkpoints"));
                        losses_to(undisturbed.file("losses"))(ranks, training, 12, 100);
                      }),
            "ok");
  // A checkpoint at every step, until one rank is killed while the other computes the next.
  comm::Ranks ranks(2, [&](int rank) -> std::string {
    comm::CommunicatorOptions options;
    options.world = comm::test_world(rank, 2);
    Communicator communicator(options);
    Training training(communicator, folder.file("checkpoints"));
    for (int step = 0;; ++step) {
      training.step();
      training.save();
      if (step == 4 && rank == 1) {
        comm::tell();
        ::pause();
      }
    }
  });
  ASSERT_TRUE(ranks.wait_for_word(1));
  ::kill(ranks.process(1), SIGKILL);
  const auto outcomes = ranks.join(std::chrono::seconds(60));
  EXPECT_FALSE(outcomes[0].timed_out);
  EXPECT_THAT(outcomes[0].said, HasSubstr("rank 1"));
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& again) {
                        Training training(again, folder.file("checkpoints"));
                        const auto resumed = training.resume();
                        require(resumed && resumed->step == 5, "there is a checkpoint");
                        losses_to(folder.file("losses"))(again, training,
                                                         12 - static_cast<int>(resumed->step), 100);
                      }),
            "ok");
  const auto whole = read(undisturbed.file("losses")), rest = read(folder.file("losses"));
  ASSERT_EQ(whole.size(), 12u);
  ASSERT_EQ(rest.size(), 7u);
  EXPECT_TRUE(
      same_bytes(rest, {whole.end() - static_cast<std::ptrdiff_t>(rest.size()), whole.end()}));
}

TEST(Checkpoint, OfAnotherModelOrWorldIsRefusedAndNothingIsChanged) {
  const data::TemporaryFolder folder;
  ASSERT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path());
                        training.step();
                        training.save();
                      }),
            "ok");
  EXPECT_EQ(
      run_ranks(
          2,
          [&](Communicator& ranks) {
            torch::nn::Sequential other(torch::nn::Linear(20, 17), torch::nn::Linear(17, 4));
            const auto before = values_of(other->parameters());
            Checkpoints checkpoints(ranks, {.module = &*other}, {.folder = folder.path()});
            const auto complaint = complaint_of<core::InvalidInput>([&] { checkpoints.resume(); });
            require(complaint.find("0.weight of another shape") != std::string::npos, complaint);
            require(same_bytes(values_of(other->parameters()), before), "unchanged");
          }),
      "ok");
  EXPECT_EQ(run_ranks(3,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path());
                        const auto before = training.values();
                        const auto complaint =
                            complaint_of<core::InvalidInput>([&] { training.resume(); });
                        require(complaint == "the checkpoint was written by 2 ranks, these are 3",
                                complaint);
                        require(same_bytes(training.values(), before), "unchanged");
                      }),
            "ok");
}

TEST(Checkpoint, WhatCannotBeWrittenIsAnErrorOnEveryRank) {
  const data::TemporaryFolder folder;
  const std::string file = folder.write("file", "in the way");
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, file + "/below");
                        training.step();
                        const auto complaint = complaint_of<core::Error>([&] { training.save(); });
                        require(complaint.find(file) != std::string::npos, complaint);
                        training.step();  // the group goes on
                      }),
            "ok");
}

TEST(Checkpoint, ItsParametersAreLoadedWithoutRanks) {
  const data::TemporaryFolder folder;
  EXPECT_EQ(run_ranks(2,
                      [&](Communicator& ranks) {
                        Training training(ranks, folder.path());
                        training.step();
                        training.save();
                        torch::nn::Sequential model(torch::nn::Linear(20, 16), torch::nn::ReLU(),
                                                    torch::nn::Dropout(0.3),
                                                    torch::nn::Linear(16, 4));
                        load_module(folder.file("checkpoint-1.mutirao"), *model);
                        require(same_bytes(values_of(model->parameters()), training.values()),
                                "they are the same");
                      }),
            "ok");
}

}  // namespace
}  // namespace mutirao::nn
