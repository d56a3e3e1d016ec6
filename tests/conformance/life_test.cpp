// The life of an executor: what it counts, what it records, how it is interrupted.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/exec/interrupt.hpp"
#include "mutirao/exec/trace.hpp"
#include "mutirao/exec/wait.hpp"

namespace mutirao::exec {
namespace {

using namespace std::chrono_literals;

class LifeTest : public EveryExecutorTest {};

INSTANTIATE_TEST_SUITE_P(All, LifeTest, ::testing::ValuesIn(kKinds), name_of_kind);

int square(int x) { return x * x; }
int refuse(int) { throw std::out_of_range("no"); }

int until_stopped() {
  const std::stop_token token = this_task::stop_token();
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  while (!token.stop_requested()) std::this_thread::yield();
  return 3;
}

TEST_P(LifeTest, TasksAreCounted) {
  const auto executor = make();
  executor->map(square, std::vector<int>(50, 1));
  EXPECT_THROW(executor->submit(refuse, 1).get(), std::out_of_range);
  executor->shutdown();
  const ExecutorStats stats = executor->stats();
  EXPECT_EQ(stats.done, 51u);
  EXPECT_EQ(stats.failed, 1u);
  EXPECT_EQ(stats.queued, 0u);
  EXPECT_EQ(stats.running, 0u);
}

TEST_P(LifeTest, WhatRunsAndWhatWaitsIsCounted) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make(1);
  Future<int> running = executor->submit(until_stopped);
  while (running.progress().done == 0) std::this_thread::yield();
  std::vector<Future<int>> queued;
  for (int i = 0; i < 5; ++i) queued.push_back(executor->submit(square, i));
  const ExecutorStats stats = executor->stats();
  EXPECT_EQ(stats.running, 1u);
  EXPECT_EQ(stats.queued, 5u);
  EXPECT_EQ(stats.workers, 1u);
  running.cancel();
}

TEST_P(LifeTest, ATraceHoldsEveryTask) {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("mutirao_trace_" + std::to_string(::getpid()) + ".json");
  {
    const TraceFile trace(path);
    EXPECT_THROW(TraceFile("/dev/null"), core::InvalidArgument);
    const auto executor = make();
    for (int i = 0; i < 20; ++i) executor->submit({.name = "sq \"x\""}, square, i).get();
    EXPECT_THROW(executor->submit({.name = "refused"}, refuse, 1).get(), std::out_of_range);
    executor->shutdown();
  }
  std::ifstream file(path);
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string text = stream.str();
  std::filesystem::remove(path);
  EXPECT_EQ(text.front(), '[');
  EXPECT_THAT(text, ::testing::EndsWith("]\n"));
  std::size_t spans = 0;
  for (std::size_t at = 0; (at = text.find("\"ph\":\"X\"", at)) != std::string::npos; ++at) ++spans;
  EXPECT_EQ(spans, 21u);
  EXPECT_THAT(text, ::testing::HasSubstr("\"name\":\"sq \\\"x\\\"\""));
  EXPECT_THAT(text, ::testing::HasSubstr("\"outcome\":\"failed\""));
}

/// The Trace Event Format, as far as viewers insist on it.
TEST_P(LifeTest, ATraceKeepsToTheFormatOfItsViewers) {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("mutirao_format_" + std::to_string(::getpid()) + ".json");
  const auto start = std::chrono::steady_clock::now().time_since_epoch();
  {
    const TraceFile trace(path);
    const auto executor = make();
    std::vector<Future<int>> futures;
    for (int i = 0; i < 50; ++i) futures.push_back(executor->submit(square, i));
    wait_all(futures);
    EXPECT_THROW(executor->submit({.name = "\t\"refused\"\\"}, refuse, 1).get(), std::out_of_range);
    executor->shutdown();
  }
  const auto microseconds = [](auto time) {
    return std::chrono::duration<double, std::micro>(time).count();
  };
  const double first = microseconds(start) - 1;
  const double last = microseconds(std::chrono::steady_clock::now().time_since_epoch()) + 1;
  std::ifstream file(path);
  const nlohmann::json events = nlohmann::json::parse(file);
  std::filesystem::remove(path);
  ASSERT_TRUE(events.is_array());
  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> spans;
  std::map<std::string, int> open;
  std::set<std::pair<int, int>> named;
  for (const nlohmann::json& event : events) {
    ASSERT_TRUE(event.is_object());
    const std::string phase = event.at("ph").get<std::string>();
    ASSERT_TRUE(event.at("name").is_string()) << event;
    ASSERT_TRUE(event.at("pid").is_number_integer()) << event;
    if (phase == "M") {
      ASSERT_TRUE(event.at("args").at("name").is_string()) << event;
      if (event.at("name") == "thread_name")
        named.emplace(event.at("pid").get<int>(), event.at("tid").get<int>());
      continue;
    }
    ASSERT_TRUE(event.at("ts").is_number()) << event;
    // Microseconds of this machine's steady clock.
    const double at = event.at("ts").get<double>();
    EXPECT_GE(at, first) << event;
    EXPECT_LE(at, last) << event;
    if (phase == "X") {
      const double duration = event.at("dur").get<double>();
      EXPECT_GE(duration, 0);
      EXPECT_LE(at + duration, last) << event;
      const std::pair row(event.at("pid").get<int>(), event.at("tid").get<int>());
      spans[row].emplace_back(at, at + duration);
    } else if (phase == "b" || phase == "e") {
      ASSERT_TRUE(event.at("cat").is_string()) << event;
      int& depth = open[event.at("id").dump() + event.at("cat").dump()];
      depth += phase == "b" ? 1 : -1;
      EXPECT_GE(depth, 0) << event;
    } else {
      FAIL() << "an event of another kind: " << event;
    }
  }
  std::size_t count = 0;
  for (auto& [row, list] : spans) {
    EXPECT_TRUE(named.contains(row)) << "a row without a name";
    std::sort(list.begin(), list.end());
    count += list.size();
    // In a row spans follow or lie within each other.
    std::vector<double> ends;
    for (const auto& [begin, end] : list) {
      // Times are written to the nanosecond.
      while (!ends.empty() && ends.back() <= begin + 0.002) ends.pop_back();
      const double outer = ends.empty() ? end : ends.back() + 0.002;
      EXPECT_LE(end, outer);
      ends.push_back(end);
    }
  }
  EXPECT_EQ(count, 51u);
  for (const auto& [id, depth] : open) EXPECT_EQ(depth, 0) << id;
}

TEST(TraceTest, AFileThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(TraceFile("/nowhere/trace.json"), core::IoError);
}

TEST_P(LifeTest, TheFirstInterruptCancelsAndAsks) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make(1);
  Future<int> running = executor->submit(until_stopped);
  while (running.progress().done == 0) std::this_thread::yield();
  Future<int> queued = executor->submit(square, 2);
  const CancelOnInterrupt interrupt(*executor);
  EXPECT_FALSE(interrupt.interrupted());
  ::raise(SIGINT);
  EXPECT_EQ(running.get(), 3);
  EXPECT_THROW(queued.get(), Cancelled);
  EXPECT_EQ(interrupt.count(), 1);
  EXPECT_THROW((void)executor->submit(square, 2), ExecutorClosed);
}

TEST(InterruptTest, TheSecondKills) {
  ProcessExecutor pool({.workers = 1});
  Future<void> deaf = pool.submit([] {
    this_task::report_progress({.done = 1, .total = 1, .stage = 0});
    for (;;) ::pause();
  });
  while (deaf.progress().done == 0) std::this_thread::yield();
  const CancelOnInterrupt interrupt(pool);
  EXPECT_THROW(CancelOnInterrupt{pool}, core::InvalidArgument);
  ::raise(SIGINT);
  while (interrupt.count() < 1) std::this_thread::yield();
  EXPECT_FALSE(deaf.ready());
  ::raise(SIGTERM);
  EXPECT_THROW(deaf.get(), Cancelled);
}

}  // namespace
}  // namespace mutirao::exec
