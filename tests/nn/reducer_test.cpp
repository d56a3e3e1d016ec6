#include "mutirao/nn/reducer.hpp"

#include <cmath>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../comm/ranks.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

using comm::Communicator;
using comm::run_ranks;
using testing::HasSubstr;
using torch::Tensor;

std::vector<NamedTensor> parameters_of(torch::nn::Sequential& model) {
  return named(model->named_parameters());
}

/// What clears gradients, in every way that programs do it.
const std::vector<std::pair<std::string, std::function<void(torch::optim::Optimizer&)>>> kClearings{
    {"torch's zero_grad", [](torch::optim::Optimizer& optimizer) { optimizer.zero_grad(); }},
    {"set to none",
     [](torch::optim::Optimizer& optimizer) {
       for (Tensor& one : optimizer.param_groups()[0].params()) one.mutable_grad().reset();
     }},
    {"zero_",
     [](torch::optim::Optimizer& optimizer) {
       for (Tensor& one : optimizer.param_groups()[0].params())
         if (one.grad().defined()) one.mutable_grad().zero_();
     }},
    {"a gradient of the caller's own",
     [](torch::optim::Optimizer& optimizer) {
       for (Tensor& one : optimizer.param_groups()[0].params())
         one.mutable_grad() = torch::zeros_like(one);
     }},
    {"every second one", [](torch::optim::Optimizer& optimizer) {
       bool second = false;
       for (Tensor& one : optimizer.param_groups()[0].params()) {
         if ((second = !second)) {
           one.mutable_grad().reset();
         } else if (one.grad().defined()) {
           one.mutable_grad().zero_();
         }
       }
     }}};

std::vector<float> trained(Communicator& ranks, const ReducerOptions& options,
                           const std::function<void(torch::optim::Optimizer&)>& clear) {
  torch::nn::Sequential model = some_model();
  Reducer reducer(ranks, parameters_of(model), {}, options);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.1).momentum(0.5));
  const Examples examples = some_examples(64);
  std::vector<void*> places;
  for (int step = 0; step < 6; ++step) {
    clear(optimizer);
    loss_of(model, examples.part((step * 2 + ranks.rank()) * 4, 4)).backward();
    std::vector<void*> now;
    for (const Tensor& one : model->parameters()) now.push_back(one.grad().data_ptr());
    if (step > 0) require(now == places, "gradients stay where they are");
    places = now;
    optimizer.step();
  }
  require(std::set<void*>(places.begin(), places.end()).size() == places.size(),
          "each parameter has a gradient of its own");
  return values_of(model->parameters());
}

TEST(Reducer, EveryWayToClearGradientsGivesTheSame) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
    EXPECT_EQ(run_ranks(2,
                        [&](Communicator& ranks) {
                          const ReducerOptions options{.bucket_bytes = bytes,
                                                       .first_bucket_bytes = bytes};
                          const auto first = trained(ranks, options, kClearings[0].second);
                          for (const auto& [name, clear] : kClearings)
                            require(same_bytes(trained(ranks, options, clear), first), name);
                        }),
              "ok");
  }
}

TEST(Reducer, GradientsOutliveItAndTheCommunicator) {
  const auto outcomes = comm::Ranks(2, [](int rank) -> std::string {
                          Tensor gradient;
                          torch::nn::Sequential model = some_model();
                          {
                            comm::CommunicatorOptions options;
                            options.world = comm::test_world(rank, 2);
                            Communicator ranks(options);
                            Reducer reducer(ranks, parameters_of(model));
                            loss_of(model, some_examples(4)).backward();
                            gradient = model->parameters()[0].grad();
                            ranks.barrier().wait();
                          }
                          gradient.add_(1.0);
                          // No hook is left behind: this is an ordinary model again.
                          model->zero_grad();
                          loss_of(model, some_examples(4)).backward();
                          return "ok";
                        }).join();
  for (const auto& outcome : outcomes) EXPECT_EQ(outcome.said, "ok");
}

TEST(Reducer, ParametersAreSpreadOverBucketsByTheirSizes) {
  EXPECT_EQ(run_ranks(1,
                      [](Communicator& ranks) {
                        const auto buckets = [&](std::size_t first, std::size_t others) {
                          torch::nn::Sequential model = some_model();
                          return Reducer(ranks, parameters_of(model), {},
                                         {.bucket_bytes = others, .first_bucket_bytes = first})
                              .buckets();
                        };
                        require(buckets(1, 1) == 6, "one parameter each");
                        require(buckets(1 << 20, 1 << 20) == 1, "all in one");
                        // From the back: 16 + 192 bytes, then 48 + 768, then 64 + 1280.
                        require(buckets(208, 1 << 20) == 2, "the first one is small");
                        require(buckets(208, 816) == 4, "the others are limited too");
                      }),
            "ok");
}

TEST(Reducer, WithoutSynchronisationGradientsAddUpAtHome) {
  EXPECT_EQ(
      run_ranks(2,
                [](Communicator& ranks) {
                  const Examples examples = some_examples(32);
                  const auto mine = examples.part(ranks.rank() * 16, 16);
                  torch::nn::Sequential plain = some_model(), model = some_model();
                  // The sum of four parts on one process, for the mean of both ranks.
                  for (int part = 0; part < 8; ++part)
                    (loss_of(plain, examples.part(part * 4, 4)) / 2).backward();
                  Reducer reducer(ranks, parameters_of(model));
                  for (int round = 0; round < 3; ++round) {
                    if (round == 1) model->zero_grad();
                    if (round == 2)
                      for (Tensor& one : model->parameters()) one.mutable_grad().reset();
                    {
                      const auto alone = reducer.no_sync();
                      for (int part = 0; part < 3; ++part)
                        loss_of(model, mine.part(part * 4, 4)).backward();
                      const auto gradients = gradients_of(model->parameters());
                      auto other = gradients;
                      ranks.broadcast(std::span<float>(other), 0).wait();
                      require(ranks.rank() == 0 || !same_bytes(other, gradients),
                              "nobody else's is in it");
                      require(reducer.passes() == std::size_t(round), "no pass was averaged");
                    }
                    loss_of(model, mine.part(12, 4)).backward();
                    const auto gradients = gradients_of(model->parameters());
                    require_equal_on_all(ranks, gradients, "gradients");
                    require(largest_difference(gradients, gradients_of(plain->parameters())) < 1e-6,
                            "it is the mean of the sums");
                  }
                }),
      "ok");
}

/// Two layers of which one is used when asked for.
struct Branches {
  torch::nn::Linear always{3, 1}, sometimes{3, 1}, never{3, 1};
  std::vector<NamedTensor> parameters() {
    return {{"always", always->weight}, {"sometimes", sometimes->weight}, {"never", never->weight}};
  }
  Tensor loss(bool both) {
    const Tensor input = torch::ones({2, 3});
    Tensor sum = always(input).sum();
    if (both) sum = sum + sometimes(input).sum();
    return sum;
  }
};

TEST(Reducer, AParameterWithoutAGradientIsAnErrorOnEveryRank) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
    EXPECT_EQ(run_ranks(3,
                        [&](Communicator& ranks) {
                          Branches model;
                          auto parameters = model.parameters();
                          parameters.pop_back();
                          Reducer reducer(ranks, parameters, {}, {.bucket_bytes = bytes});
                          const std::string complaint = complaint_of<MissingGradient>(
                              [&] { model.loss(ranks.rank() == 1).backward(); });
                          require(complaint == "parameter sometimes got no gradient on ranks 0, 2",
                                  complaint);
                          model.loss(true).backward();  // the group goes on
                        }),
              "ok");
  }
}

TEST(Reducer, UnusedParametersCountAsZeroWhereThatIsAllowed) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
    EXPECT_EQ(run_ranks(2,
                        [&](Communicator& ranks) {
                          Branches model;
                          Reducer reducer(ranks, model.parameters(), {},
                                          {.bucket_bytes = bytes,
                                           .first_bucket_bytes = bytes,
                                           .missing = OnMissingGradient::kZero});
                          for (int step = 0; step < 3; ++step) {
                            for (auto& one : model.parameters()) one.tensor.mutable_grad().reset();
                            model.loss(ranks.rank() == 1).backward();
                            require(model.always->weight.grad()[0][0].item<float>() == 2.0F,
                                    "both used it");
                            require(model.sometimes->weight.grad()[0][0].item<float>() == 1.0F,
                                    "the mean of 0 and 2");
                            require(!model.never->weight.grad().defined(), "nobody used it");
                          }
                        }),
              "ok");
  }
}

TEST(Reducer, ALossThatIsNaNOnOneRankIsAnErrorOnEveryRank) {
  EXPECT_EQ(run_ranks(3,
                      [](Communicator& ranks) {
                        torch::nn::Sequential model = some_model();
                        Reducer reducer(ranks, parameters_of(model));
                        const Examples examples = some_examples(8);
                        const float factor = ranks.rank() == 2 ? std::nanf("") : 1.0F;
                        const std::string complaint = complaint_of<NonFiniteGradient>(
                            [&] { (loss_of(model, examples) * factor).backward(); });
                        require(complaint == "the gradient of 4.bias is infinite or NaN on rank 2",
                                complaint);
                        model->zero_grad();
                        loss_of(model, examples).backward();
                        require_equal_on_all(ranks, gradients_of(model->parameters()), "gradients");
                      }),
            "ok");
}

TEST(Reducer, NaNIsANumberLikeOthersWhereThatIsAllowed) {
  EXPECT_EQ(
      run_ranks(
          2,
          [](Communicator& ranks) {
            Tensor one = torch::ones({2}, torch::requires_grad());
            Reducer reducer(ranks, {{"one", one}}, {}, {.non_finite = OnNonFinite::kAccept});
            const Tensor factors = torch::tensor({ranks.rank() == 0 ? std::nanf("") : 1.0F, 3.0F});
            (one * factors).sum().backward();
            require(std::isnan(one.grad()[0].item<float>()), "NaN reaches everybody");
            require(one.grad()[1].item<float>() == 3.0F, "and spoils nothing else");
          }),
      "ok");
}

TEST(Reducer, RanksThatRunOutOfDataTakePartUntilAllHave) {
  for (const bool hooked : {false, true}) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
      EXPECT_EQ(
          run_ranks(3,
                    [&](Communicator& ranks) {
                      ReducerOptions options{.bucket_bytes = bytes, .first_bucket_bytes = bytes};
                      if (hooked) {
                        options.hook = [](Communicator& group, GradientBucket& bucket) {
                          auto work = std::make_shared<comm::Work>(
                              group.all_reduce(bucket.part, comm::Reduction::kMean));
                          return [work] { work->wait(); };
                        };
                      }
                      const Examples examples = some_examples(40);
                      torch::nn::Sequential plain = some_model(), model = some_model();
                      Reducer reducer(ranks, parameters_of(model), {}, options);
                      FusedSgd optimizer(model->parameters(),
                                         torch::optim::SGDOptions(0.1).momentum(0.9));
                      // Rank r has r batches: rank 0 none at all.
                      const auto batch = [&](int rank, int step) {
                        return examples.part((rank * 4 + step) * 3, 3);
                      };
                      for (int step = 0; step < ranks.rank(); ++step) {
                        optimizer.zero_grad();
                        loss_of(model, batch(ranks.rank(), step)).backward();
                        optimizer.step();
                      }
                      int taken = 0;
                      reducer.join([&] {
                        optimizer.step();
                        ++taken;
                      });
                      require(taken == 2 - ranks.rank(),
                              "it took part in the passes of the others");
                      // In one process: each step is the mean of those that had data.
                      torch::optim::SGD alone(plain->parameters(),
                                              torch::optim::SGDOptions(0.1).momentum(0.9));
                      alone.zero_grad();
                      ((loss_of(plain, batch(1, 0)) + loss_of(plain, batch(2, 0))) / 2).backward();
                      alone.step();
                      alone.zero_grad();
                      loss_of(plain, batch(2, 1)).backward();
                      alone.step();
                      const auto values = values_of(model->parameters());
                      require_equal_on_all(ranks, values, "parameters");
                      require(largest_difference(values, values_of(plain->parameters())) < 1e-6,
                              "they are those of one process");
                      // All have data again.
                      loss_of(model, batch(ranks.rank(), 2)).backward();
                      require_equal_on_all(ranks, gradients_of(model->parameters()), "gradients");
                    }),
          "ok");
    }
  }
}

TEST(Reducer, BuffersBecomeThoseOfTheLowestRankThatHadData) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        Tensor one = torch::ones({2}, torch::requires_grad());
                        const Tensor wide = torch::full({3}, 5.0 + ranks.rank(), torch::kFloat64);
                        const Tensor flag = torch::full({5}, ranks.rank() == 0, torch::kBool);
                        Reducer reducer(ranks, {{"one", one}}, {{"wide", wide}, {"flag", flag}});
                        require(wide[0].item<double>() == 5.0, "at the start those of rank 0");
                        require(flag.all().item<bool>(), "of every type");
                        wide.fill_(ranks.rank() + 1.0);
                        one.sum().backward();
                        require(wide[2].item<double>() == 1.0, "after a pass, too");
                        if (ranks.rank() == 1) {
                          wide.fill_(9.0);
                          one.sum().backward();
                        }
                        reducer.join([] {});
                        require(wide[1].item<double>() == 9.0, "rank 0 had no data");
                      }),
            "ok");
}

TEST(Reducer, RanksWithDifferentModelsAreTold) {
  const auto complaint = [](const std::function<std::vector<NamedTensor>(int)>& model,
                            const std::function<ReducerOptions(int)>& options = {}) {
    std::string said;
    const std::string outcome = run_ranks(3, [&](Communicator& ranks) {
      const std::string mine = complaint_of<ModelMismatch>([&] {
        Reducer reducer(ranks, model(ranks.rank()), {},
                        options ? options(ranks.rank()) : ReducerOptions());
      });
      const std::string expected = "the ranks do not have the same model: rank 2 has";
      require(mine.starts_with(expected), mine);
      ranks.barrier().wait();  // the group goes on
      if (ranks.rank() == 0) throw std::runtime_error(mine);
    });
    return outcome;
  };
  const auto tensor = [](std::vector<std::int64_t> shape, torch::ScalarType type) {
    return torch::ones(shape, torch::TensorOptions(type).requires_grad(true));
  };
  EXPECT_THAT(complaint([&](int rank) -> std::vector<NamedTensor> {
                return {{"w", tensor({2, rank == 2 ? 4 : 3}, torch::kFloat32)}};
              }),
              HasSubstr("(w: Float [2, 4], strides [4, 1]) where rank 0 has (w: Float [2, 3], "
                        "strides [3, 1])"));
  EXPECT_THAT(complaint([&](int rank) -> std::vector<NamedTensor> {
                return {{"w", tensor({2}, rank == 2 ? torch::kFloat64 : torch::kFloat32)}};
              }),
              HasSubstr("(w: Double"));
  EXPECT_THAT(complaint([&](int rank) {
                std::vector<NamedTensor> all{{"w", tensor({2}, torch::kFloat32)}};
                if (rank == 2) all.push_back({"extra", tensor({1}, torch::kFloat32)});
                return all;
              }),
              HasSubstr("(extra: Float [1], strides [1]) where rank 0 has (nothing)"));
  EXPECT_THAT(complaint(
                  [&](int) {
                    return std::vector<NamedTensor>{{"w", tensor({2}, torch::kFloat32)}};
                  },
                  [](int rank) { return ReducerOptions{.bucket_bytes = rank == 2 ? 1U : 2U}; }),
              HasSubstr("buckets of 1 and"));
}

TEST(Reducer, AModelIsNotReducedTwice) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        torch::nn::Sequential model = some_model();
                        {
                          Reducer reducer(ranks, parameters_of(model));
                          const std::string complaint = complaint_of<core::InvalidArgument>(
                              [&] { Reducer second(ranks, parameters_of(model)); });
                          require(complaint == "parameter 0.weight already has a Reducer",
                                  complaint);
                        }
                        Reducer third(ranks, parameters_of(model));  // one after the other
                        loss_of(model, some_examples(4)).backward();
                      }),
            "ok");
}

TEST(Reducer, RefusesWhatItCannotAverage) {
  EXPECT_EQ(
      run_ranks(2,
                [](Communicator& ranks) {
                  Tensor one = torch::ones({2}, torch::requires_grad());
                  {
                    Reducer reducer(ranks, {{"one", one}});
                    const std::string complaint = complaint_of<core::Unsupported>([&] {
                      one.square().sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true);
                    });
                    require(complaint.find("gradients of gradients") == 0, complaint);
                    one.mutable_grad().reset();
                    one.sum().backward();
                    require(one.grad()[0].item<float>() == 1.0F, "the next pass is well");
                  }
                  const Tensor half =
                      torch::ones({2}, torch::TensorOptions(torch::kHalf).requires_grad(true));
                  require(complaint_of<core::Unsupported>([&] {
                            Reducer reducer(ranks, {{"half", half}});
                          }).find("half") != std::string::npos,
                          "it names the parameter");
                  require(complaint_of<core::InvalidArgument>([&] {
                            Reducer reducer(ranks, {{"fixed", torch::ones({2})}});
                          }) == "no parameter needs a gradient",
                          "there is something to train");
                }),
      "ok");
}

TEST(Reducer, APassThatIsGivenUpOnAllRanksDoesNoHarm) {
  EXPECT_EQ(
      run_ranks(
          2,
          [](Communicator& ranks) {
            torch::nn::Sequential model = some_model();
            Reducer reducer(ranks, parameters_of(model), {},
                            {.bucket_bytes = 1, .first_bucket_bytes = 1});
            const Examples examples = some_examples(8);
            for (int round = 0; round < 3; ++round) {
              const Tensor inner = model[0]->as<torch::nn::Linear>()->forward(examples.inputs);
              inner.register_hook([](Tensor) -> Tensor { throw std::runtime_error("enough"); });
              Tensor outer = inner;
              for (std::size_t i = 1; i < model->size(); ++i) {
                if (auto* linear = model[i]->as<torch::nn::Linear>()) {
                  outer = linear->forward(outer);
                } else {
                  outer = outer.relu();
                }
              }
              require(complaint_of<std::exception>([&] {
                        outer.sum().backward();
                      }).find("enough") != std::string::npos,
                      "it is told");
              model->zero_grad();
              loss_of(model, examples).backward();
              require_equal_on_all(ranks, gradients_of(model->parameters()), "gradients");
            }
            require(reducer.passes() == 3, "three passes were averaged");
          }),
      "ok");
}

TEST(Reducer, TypesHaveBucketsOfTheirOwn) {
  EXPECT_EQ(
      run_ranks(
          2,
          [](Communicator& ranks) {
            std::vector<NamedTensor> all;
            for (const auto type : {torch::kFloat32, torch::kFloat64, torch::kBFloat16}) {
              for (int i = 0; i < 2; ++i) {
                all.push_back({"p" + std::to_string(all.size()),
                               torch::ones({3}, torch::TensorOptions(type)).requires_grad_()});
              }
            }
            Reducer reducer(ranks, all);
            require(reducer.buckets() == 3, "three types");
            Tensor sum = torch::zeros({});
            for (const auto& one : all) sum = sum + (one.tensor * (1.0 + 2.0 * ranks.rank())).sum();
            sum.backward();
            for (const auto& one : all)
              require(one.tensor.grad()[0].item<double>() == 2.0, "the mean of 1 and 3");
            // NaN is seen in every type.
            for (std::size_t bad = 0; bad < all.size(); ++bad) {
              Tensor other = torch::zeros({});
              for (std::size_t i = 0; i < all.size(); ++i)
                other = other +
                        (all[i].tensor * (i == bad && ranks.rank() == 1 ? INFINITY : 1.0)).sum();
              for (const auto& one : all) Tensor(one.tensor).mutable_grad().reset();
              const std::string complaint =
                  complaint_of<NonFiniteGradient>([&] { other.backward(); });
              require(complaint.find(all[bad].name) != std::string::npos, complaint);
            }
          }),
      "ok");
}

TEST(Reducer, AnOrdinaryTransposedParameterKeepsItsStrides) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        Tensor turned = torch::randn({4, 3}).t().requires_grad_();
                        Reducer reducer(ranks, {{"turned", turned}});
                        const Tensor weights = torch::arange(12.0).view({3, 4}) + ranks.rank();
                        (turned * weights).sum().backward();
                        require(turned.grad().strides() == turned.strides(), "strides");
                        require(torch::equal(turned.grad(), torch::arange(12.0).view({3, 4}) + 0.5),
                                "every element is in its place");
                      }),
            "ok");
}

TEST(CommunicationHook, SeesEveryBucketInOrderOnEveryRank) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        std::vector<std::size_t> seen;
                        ReducerOptions options{.bucket_bytes = 1, .first_bucket_bytes = 1};
                        options.hook = [&](Communicator& group, GradientBucket& bucket) {
                          seen.push_back(bucket.index);
                          require(bucket.count == 6, "it knows how many there are");
                          // The sum instead of the mean.
                          auto work = std::make_shared<comm::Work>(group.all_reduce(bucket.part));
                          return [work] { work->wait(); };
                        };
                        torch::nn::Sequential plain = some_model(), model = some_model();
                        const Examples examples = some_examples(8);
                        (loss_of(plain, examples) * 2).backward();
                        Reducer reducer(ranks, parameters_of(model), {}, options);
                        loss_of(model, examples).backward();
                        require(seen == std::vector<std::size_t>{0, 1, 2, 3, 4, 5}, "in order");
                        require(largest_difference(gradients_of(model->parameters()),
                                                   gradients_of(plain->parameters())) < 1e-6,
                                "what it leaves is the gradient");
                      }),
            "ok");
}

TEST(CommunicationHook, Bfloat16RoundsEachRanksGradientAndTheMean) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        Tensor one = torch::zeros({1000}, torch::requires_grad());
                        ReducerOptions options;
                        options.hook = bfloat16_hook();
                        Reducer reducer(ranks, {{"one", one}}, {}, options);
                        torch::manual_seed(3);
                        for (int step = 0; step < 3; ++step) {
                          const Tensor slopes[2] = {torch::randn({1000}), torch::randn({1000})};
                          one.mutable_grad().reset();
                          (one * slopes[ranks.rank()]).sum().backward();
                          const auto rounded = [](const Tensor& values) {
                            return values.to(torch::kBFloat16).to(torch::kFloat32);
                          };
                          require(
                              torch::equal(one.grad(),
                                           rounded((rounded(slopes[0]) + rounded(slopes[1])) / 2)),
                              "rounded as documented");
                        }
                      }),
            "ok");
}

TEST(Reducer, ClippingGivesTheSameBytesOnEveryRank) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        torch::nn::Sequential model = some_model();
                        Reducer reducer(ranks, parameters_of(model));
                        loss_of(model, some_examples(8).part(ranks.rank() * 4, 4)).backward();
                        const double before = clip_gradient_norm(model->parameters(), 1e-3);
                        require(before > 1e-3, "there was something to clip");
                        require_equal_on_all(ranks, gradients_of(model->parameters()), "gradients");
                        const double after = clip_gradient_norm(model->parameters(), 1e-3);
                        require(std::abs(after - 1e-3) < 1e-9, "the norm is the limit");
                      }),
            "ok");
}

}  // namespace
}  // namespace mutirao::nn
