#include "mutirao/comm/world.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.hpp"

namespace mutirao::comm {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

World world_of(Variables variables, const WorldOptions& options = {}) {
  return find_world(options, environment_of(std::move(variables)));
}

std::string complaint_about(const Variables& variables, const WorldOptions& options = {}) {
  return complaint([&] { world_of(variables, options); });
}

Variables merged(Variables a, const Variables& b) {
  a.insert(b.begin(), b.end());
  return a;
}

const Variables kTorchrun = {{"RANK", "3"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "2"},
                             {"MASTER_ADDR", "node0"},
                             {"MASTER_PORT", "29501"},
                             {"TORCHELASTIC_RUN_ID", "abc"},
                             {"TORCHELASTIC_RESTART_COUNT", "2"},
                             {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
const Variables kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_RANK", "1"},
                            {"PMIX_NAMESPACE", "4242"}};
const Variables kSlurmStep = {{"SLURM_JOB_ID", "77"},
                              {"SLURM_STEP_ID", "0"},
                              {"SLURM_PROCID", "5"},
                              {"SLURM_LOCALID", "1"},
                              {"SLURM_STEP_NUM_TASKS", "8"},
                              {"SLURM_NTASKS", "8"},
                              {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"}};

TEST(World, NothingSetIsAWorldOfOne) {
  const World world = world_of({});
  EXPECT_EQ(world.rank, 0);
  EXPECT_EQ(world.size, 1);
  EXPECT_EQ(world.local_size, 1);
  EXPECT_EQ(world.source, "alone");
}

TEST(World, TorchrunsVariablesAreRead) {
  const World world = world_of(kTorchrun);
  EXPECT_EQ(world.rank, 3);
  EXPECT_EQ(world.size, 4);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.local_size, 2);
  EXPECT_EQ(world.master_address, "node0");
  EXPECT_EQ(world.master_port, 29501);
  EXPECT_EQ(world.source, "mutirao launch or torchrun");
}

TEST(World, ThePortThatTorchrunsAgentServesIsNotOurs) {
  EXPECT_TRUE(world_of(kTorchrun).master_port_is_taken);
  Variables without = kTorchrun;
  without["TORCHELASTIC_USE_AGENT_STORE"] = "False";
  EXPECT_FALSE(world_of(without).master_port_is_taken);
}

TEST(World, EveryRestartIsAnotherRun) {
  Variables again = kTorchrun;
  again["TORCHELASTIC_RESTART_COUNT"] = "3";
  EXPECT_NE(world_of(kTorchrun).run_id, world_of(again).run_id);
}

TEST(World, OpenMpisVariablesAreRead) {
  const World world = world_of(kOpenMpi);
  EXPECT_EQ(world.rank, 1);
  EXPECT_EQ(world.size, 2);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.local_size, 2);
  EXPECT_EQ(world.run_id, "4242");
  EXPECT_EQ(world.source, "mpirun");
}

TEST(World, PmixHasNoSizeOfItsOwn) {
  const World world = world_of({{"PMIX_RANK", "1"},
                                {"PMIX_NAMESPACE", "job"},
                                {"SLURM_STEP_ID", "0"},
                                {"SLURM_PROCID", "1"},
                                {"SLURM_NTASKS", "3"}});
  EXPECT_EQ(world.rank, 1);
  EXPECT_EQ(world.size, 3);
  EXPECT_THAT(complaint_about({{"PMIX_RANK", "1"}}), HasSubstr("set WORLD_SIZE"));
}

TEST(World, SlurmsStepIsRead) {
  const World world = world_of(kSlurmStep);
  EXPECT_EQ(world.rank, 5);
  EXPECT_EQ(world.size, 8);
  EXPECT_EQ(world.local_rank, 1);
  EXPECT_EQ(world.local_size, 4);
  EXPECT_EQ(world.run_id, "slurm 77.0");
  EXPECT_EQ(world.source, "srun");
}

TEST(World, SlurmsUnevenStepDoesNotTellTheLocalSize) {
  Variables uneven = kSlurmStep;
  uneven["SLURM_STEP_TASKS_PER_NODE"] = "4(x1),2";
  EXPECT_EQ(world_of(uneven).local_size, 0);
}

TEST(World, SlurmsVariablesInABatchShellDoNotCount) {
  const Variables batch = {{"SLURM_JOB_ID", "77"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}};
  EXPECT_EQ(world_of(batch).size, 1);
  EXPECT_EQ(world_of(merged(batch, {{"SLURM_STEP_ID", "4294967291"}})).size, 1);
}

TEST(World, ALauncherThatSrunStartedOncePerMachineIsBelieved) {
  EXPECT_EQ(world_of(merged(kTorchrun, kSlurmStep)).rank, 3);
  EXPECT_EQ(world_of(merged(kOpenMpi, kSlurmStep)).size, 2);
}

TEST(World, TwoSourcesThatDisagreeAreBothNamed) {
  EXPECT_THAT(
      complaint_about(merged({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "x"}}, kOpenMpi)),
      AllOf(HasSubstr("RANK=0, WORLD_SIZE=2"), HasSubstr("OMPI_COMM_WORLD_RANK=1"),
            HasSubstr("hint: unset")));
  EXPECT_THAT(complaint_about(kOpenMpi, {.rank = 0, .size = 2}),
              AllOf(HasSubstr("options says rank 0, size 2"), HasSubstr("mpirun")));
}

TEST(World, OptionsThatAgreeWithTheLauncherKeepItsOtherWords) {
  const World world = world_of(kOpenMpi, {.rank = 1, .size = 2});
  EXPECT_EQ(world.local_size, 2);
  EXPECT_EQ(world.source, "options");
}

TEST(World, HalfASourceIsAnError) {
  EXPECT_THAT(complaint_about({{"RANK", "0"}}),
              AllOf(HasSubstr("RANK is set, but WORLD_SIZE is not"), HasSubstr("mutirao launch")));
  EXPECT_THAT(complaint_about({{"OMPI_COMM_WORLD_SIZE", "2"}}), HasSubstr("OMPI_COMM_WORLD_RANK"));
  EXPECT_THAT(complaint_about({}, {.rank = 1}), HasSubstr("only one is given"));
}

TEST(World, NonsenseIsAnError) {
  EXPECT_THAT(complaint_about({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), HasSubstr("no number"));
  EXPECT_THAT(complaint_about({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
              HasSubstr("no rank 2 in a world of 2"));
  EXPECT_THAT(complaint_about({}, {.rank = 0, .size = 0}), HasSubstr("world of 0"));
  EXPECT_THAT(
      complaint_about(
          {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}),
      HasSubstr("no port"));
}

TEST(World, RanksThatDoNotKnowWhereToMeetSayHowToStart) {
  EXPECT_THAT(complaint_about({{"RANK", "0"}, {"WORLD_SIZE", "2"}}),
              AllOf(HasSubstr("MASTER_ADDR is not set"), HasSubstr("mpirun -np N")));
  EXPECT_THAT(complaint_about({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}}),
              HasSubstr("MASTER_PORT is not set"));
}

TEST(World, AProgramThatNeedsOthersSaysHowToStartThem) {
  EXPECT_THAT(complaint_about({}, {.least_size = 2}),
              AllOf(HasSubstr("started alone"), HasSubstr("mutirao launch --nproc N")));
}

}  // namespace
}  // namespace mutirao::comm
