#include "mutirao/exec/core_budget.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/internal/cgroup_quota.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

class CoreBudgetTest : public ::testing::Test {
 protected:
  void SetUp() override { cores_ = CoreBudget::current().cores(); }
  void TearDown() override { CoreBudget::current().limit(cores_); }
  CoreBudget& budget_ = CoreBudget::current();

 private:
  std::size_t cores_ = 0;
};

TEST_F(CoreBudgetTest, EveryUnitRunsOnceOnALaneOfItsOwn) {
  budget_.limit(4);
  std::vector<std::atomic<int>> runs(1000);
  std::vector<std::atomic<int>> inside(4);
  std::atomic<bool> shared_lane{false};
  budget_.for_each(1000, [&](std::size_t unit, std::size_t lane) {
    if (inside.at(lane).fetch_add(1) != 0) shared_lane = true;
    ++runs[unit];
    --inside[lane];
  });
  EXPECT_FALSE(shared_lane);
  for (const auto& count : runs) ASSERT_EQ(count.load(), 1);
}

TEST_F(CoreBudgetTest, AllCoresWorkAtTheSameTime) {
  budget_.limit(3);
  // Three units meet: this ends only if three threads run.
  std::atomic<int> arrived{0};
  budget_.for_each(3, [&](std::size_t, std::size_t) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived.load(), 3);
}

TEST_F(CoreBudgetTest, UnitsStartInIncreasingOrder) {
  budget_.limit(2);
  std::mutex mutex;
  std::vector<std::size_t> order;
  budget_.for_each(
      200,
      [&](std::size_t unit, std::size_t) {
        const std::lock_guard lock(mutex);
        order.push_back(unit);
      },
      1);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.size(), 200u);
}

TEST_F(CoreBudgetTest, NoMoreCoresThanAskedForAreTaken) {
  budget_.limit(8);
  std::set<std::size_t> lanes;
  std::mutex mutex;
  budget_.for_each(
      500,
      [&](std::size_t, std::size_t lane) {
        const std::lock_guard lock(mutex);
        lanes.insert(lane);
      },
      2);
  EXPECT_LE(lanes.size(), 2u);
}

TEST_F(CoreBudgetTest, TheExceptionOfTheLowestUnitIsRethrown) {
  budget_.limit(4);
  std::atomic<int> arrived{0};
  try {
    budget_.for_each(4, [&](std::size_t unit, std::size_t) {
      ++arrived;
      while (arrived < 4) std::this_thread::yield();
      throw std::runtime_error("unit " + std::to_string(unit));
    });
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "unit 0");
  }
}

TEST_F(CoreBudgetTest, AfterAnExceptionNoUnitBegins) {
  budget_.limit(1);
  int begun = 0;
  EXPECT_THROW(budget_.for_each(100,
                                [&](std::size_t unit, std::size_t) {
                                  ++begun;
                                  if (unit == 3) throw std::runtime_error("stop");
                                }),
               std::runtime_error);
  EXPECT_EQ(begun, 4);
}

TEST_F(CoreBudgetTest, LoopsMayBeNested) {
  budget_.limit(3);
  std::atomic<int> runs{0};
  budget_.for_each(6, [&](std::size_t, std::size_t) {
    budget_.for_each(10, [&](std::size_t, std::size_t) { ++runs; });
  });
  EXPECT_EQ(runs.load(), 60);
}

TEST_F(CoreBudgetTest, SeveralThreadsMayLoopAtOnce) {
  budget_.limit(2);
  std::atomic<int> runs{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) budget_.for_each(20, [&](std::size_t, std::size_t) { ++runs; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(runs.load(), 4000);
}

TEST_F(CoreBudgetTest, ACoreThatComesFreeDuringALoopIsTaken) {
  budget_.limit(2);
  auto& words = internal::core_words();
  const auto other = words.join();
  ASSERT_TRUE(other);
  const auto core = words.try_take(*other);
  ASSERT_TRUE(core);
  std::atomic<int> arrived{0};
  budget_.for_each(2, [&](std::size_t, std::size_t) {
    if (++arrived == 1) words.give_back(*core);
    while (arrived < 2) std::this_thread::yield();
  });
  words.sweep(*other);
  EXPECT_EQ(arrived.load(), 2);
}

TEST_F(CoreBudgetTest, ALoopGivesCoresBackToATaskThatWaits) {
  budget_.limit(2);
  auto& words = internal::core_words();
  const auto other = words.join();
  ASSERT_TRUE(other);
  std::atomic<bool> stop{false};
  std::thread task([&] {
    const auto core = words.take(*other, internal::CoreWords::Need::kTask, [] { return false; });
    words.give_back(*core);
    stop = true;
  });
  // Two lanes hold both cores until the task has had one.
  const auto until_stopped = [&](std::size_t, std::size_t) {
    if (stop) throw std::runtime_error("enough");
  };
  EXPECT_THROW(budget_.for_each(1'000'000'000'000, until_stopped), std::runtime_error);
  task.join();
}

TEST_F(CoreBudgetTest, TheCoresOfADeadProcessAreFree) {
  budget_.limit(2);
  auto& words = internal::core_words();
  const auto other = words.join();
  ASSERT_TRUE(other);
  ASSERT_TRUE(words.try_take(*other));
  ASSERT_TRUE(words.try_take(*other));
  words.add_wait(*other, internal::CoreWords::Need::kTask, 1);
  EXPECT_FALSE(words.try_take(internal::this_participant()));
  words.sweep(*other);
  EXPECT_FALSE(words.task_waits());
  const auto core = words.try_take(internal::this_participant());
  ASSERT_TRUE(core);
  words.give_back(*core);
}

TEST_F(CoreBudgetTest, WorkersShareTheBudgetOfTheProgram) {
  budget_.limit(3);
  ProcessExecutor pool({.workers = 2});
  const auto count_lanes = [] {
    std::mutex mutex;
    std::set<std::size_t> lanes;
    CoreBudget::current().for_each(2000, [&](std::size_t, std::size_t lane) {
      const std::lock_guard lock(mutex);
      lanes.insert(lane);
    });
    return std::make_pair(CoreBudget::current().cores(), lanes.size());
  };
  auto a = pool.submit(count_lanes);
  auto b = pool.submit(count_lanes);
  for (auto* future : {&a, &b}) {
    const auto [cores, lanes] = future->get();
    EXPECT_EQ(cores, 3u);
    EXPECT_GE(lanes, 1u);
    EXPECT_LE(lanes, 3u);
  }
}

TEST_F(CoreBudgetTest, ReportsFromLanesAreReportsOfTheTask) {
  budget_.limit(2);
  ProcessExecutor pool({.workers = 1});
  auto future = pool.submit([] {
    std::atomic<int> arrived{0};
    CoreBudget::current().for_each(2, [&](std::size_t, std::size_t lane) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
      if (lane == 1) this_task::report_progress({.done = 1, .total = 2, .stage = 0});
    });
  });
  future.wait();
  EXPECT_EQ(future.progress().total, 2u);
  future.get();
}

TEST_F(CoreBudgetTest, AnImpossibleLimitIsRefused) {
  EXPECT_THROW(budget_.limit(0), core::InvalidArgument);
  EXPECT_THROW(budget_.limit(100'000), core::InvalidArgument);
}

TEST(AvailableCoresTest, ThereIsAtLeastOne) { EXPECT_GE(available_cores(), 1u); }

class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ =
        std::filesystem::temp_directory_path() / ("mutirao_cgroup_" + std::to_string(::getpid()));
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  std::filesystem::path root_;
};

TEST_F(CgroupTest, TheLeastQuotaAlongTheWayCountsInVersion2) {
  write("a/cpu.max", "300000 100000\n");
  write("a/b/cpu.max", "max 100000\n");
  EXPECT_DOUBLE_EQ(internal::cgroup_quota(root_, "0::/a/b\n"), 3.0);
}

TEST_F(CgroupTest, TheQuotaOfVersion1IsRead) {
  write("cpu/job/cpu.cfs_quota_us", "150000\n");
  write("cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(internal::cgroup_quota(root_, "3:cpuset:/\n2:cpu,cpuacct:/job\n"), 1.5);
}

TEST_F(CgroupTest, NoQuotaIsNoLimit) {
  write("cpu/cpu.cfs_quota_us", "-1\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(internal::cgroup_quota(root_, "1:cpu:/\n0::/\n"), internal::kNoQuota);
}

}  // namespace
}  // namespace mutirao::exec
