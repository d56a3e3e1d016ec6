// Executors are made and destroyed many times over; nothing grows. MUTIRAO_SOAK=1000 makes more.

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/thread_executor.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

/// One life of each: small tasks, a crash, shared arrays, large vectors, what nobody takes.
void live_once(int round) {
  ProcessExecutor pool({.workers = 1});
  ThreadExecutor threads({.threads = 2});
  EXPECT_EQ(pool.submit(square, threads.submit(square, 2)).get(), 16);
  const auto array = core::SharedArray<int>::copy_of(std::vector<int>(1000, round));
  const auto first = [](const core::SharedArray<int>& a) { return a[0]; };
  EXPECT_EQ(pool.submit(first, array).get(), round);
  const std::vector<double> large(200'000, 0.5);
  const auto same = [](const std::vector<double>& values) { return values; };
  EXPECT_EQ(pool.submit(same, large).get().size(), large.size());
  if (round % 10 == 0) {
    EXPECT_THROW(pool.submit([] { ::_exit(1); }).get(), TaskCrashed);
  }
  for (int i = 0; i < 10; ++i) (void)pool.submit({.timeout = std::chrono::hours(1)}, square, i);
}

struct Use {
  std::multiset<std::string> descriptors = open_descriptors();
  std::size_t threads = core::thread_count();
  std::size_t processes = live_workers().size();
  std::size_t mappings = shared_mappings();
  std::size_t heap_bytes = ::mallinfo2().uordblks;  // 0 under a sanitizer
};

TEST(SoakTest, ExecutorsThatComeAndGoLeaveNothing) {
  const char* const more = std::getenv("MUTIRAO_SOAK");
  const int rounds = more != nullptr ? std::atoi(more) : 40;
  // What is made once, and buffers that grow to their size.
  for (int i = 0; i < 12; ++i) live_once(i);
  const Use before;
  for (int i = 0; i < rounds; ++i) live_once(i);
  const Use after;
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.threads, before.threads);
  EXPECT_EQ(after.processes, 0u);
  EXPECT_EQ(after.mappings, before.mappings);
  // Caches of the allocator fill up by and by; the bound is the same for any number of rounds.
  constexpr std::size_t kSlack = 64 << 10;
  EXPECT_LE(after.heap_bytes, before.heap_bytes + kSlack);
}

}  // namespace
}  // namespace mutirao::exec
