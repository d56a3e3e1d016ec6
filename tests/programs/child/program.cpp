// What programs do with their executors while they end, or are ended: one scenario a run.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../forbid_memory_files.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/exec/thread_executor.hpp"
#include "mutirao/exec/wait.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

void say(const std::string& line) {
  const std::string text = line + '\n';
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::abort();
}

void hang() {
  say("hangs");
  for (;;) ::pause();
}

/// The one child of this process.
pid_t zygote() {
  const std::string number = std::to_string(::getpid());
  std::ifstream children("/proc/" + number + "/task/" + number + "/children");
  pid_t child = 0;
  children >> child;
  return child;
}

int nested_hang() {
  CoreBudget::current().limit(8);
  ProcessExecutor outer({.workers = 2});
  const auto inner = [] {
    ProcessExecutor pool({.workers = 2});
    std::vector<Future<void>> futures;
    for (int i = 0; i < 2; ++i) futures.push_back(pool.submit(hang));
    wait_all(futures);
  };
  std::vector<Future<void>> futures;
  for (int i = 0; i < 2; ++i) futures.push_back(outer.submit(inner));
  wait_all(futures);
  return 1;
}

int exit_with_a_live_pool() {
  ProcessExecutor pool({.workers = 2});
  std::vector<Future<void>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(pool.submit(hang));
  (void)pool.submit(square, 3);
  std::exit(7);
}

std::unique_ptr<ProcessExecutor> static_pool;
std::vector<Future<int>> static_futures;

int static_pool_outlives_the_runtime() {
  static_pool = std::make_unique<ProcessExecutor>(ProcessExecutorOptions{.workers = 2});
  for (int i = 0; i < 50; ++i) static_futures.push_back(static_pool->submit(square, i));
  say(std::to_string(static_futures[7].get()));
  return 0;
}

int killed_zygote() {
  ProcessExecutor pool({.workers = 2});
  Future<int> lost = pool.submit([] {
    hang();
    return 1;
  });
  while (lost.worker_pid() == 0) std::this_thread::yield();
  ::kill(zygote(), SIGKILL);
  try {
    lost.get();
    return 1;
  } catch (const TaskCrashed& crash) {
    if (crash.signal() != SIGKILL) return 2;
  }
  for (int i = 0; i < 20; ++i) {
    if (pool.submit(square, i).get() != i * i) return 3;
  }
  ProcessExecutor second({.workers = 2});
  return second.submit(square, 3).get() == 9 ? 0 : 4;
}

/// Cores that the workers of a killed worker held are free again.
int orphaned_cores() {
  CoreBudget::current().limit(3);
  ProcessExecutor pool({.workers = 1});
  Future<void> outer = pool.submit([] {
    ProcessExecutor inner({.workers = 2});
    std::vector<Future<void>> futures;
    for (int i = 0; i < 2; ++i) futures.push_back(inner.submit(hang));
    wait_all(futures);
  });
  while (outer.worker_pid() == 0) std::this_thread::yield();
  // Both have their cores, and have said so, before their parent is killed.
  std::string line;
  std::getline(std::cin, line);
  ::kill(outer.worker_pid(), SIGKILL);
  try {
    outer.get();
    return 1;
  } catch (const TaskCrashed&) {
  }
  return pool.submit({.resources = {.cores = 3}}, square, 5).get() == 25 ? 0 : 2;
}

int thread_that_made_the_pool_ends() {
  std::unique_ptr<ProcessExecutor> pool;
  std::thread([&] {
    pool = std::make_unique<ProcessExecutor>(ProcessExecutorOptions{.workers = 2});
    (void)pool->submit(square, 1).get();
  }).join();
  for (int i = 0; i < 50; ++i) {
    if (pool->submit(square, i).get() != i * i) return 1;
  }
  return 0;
}

/// argv and the environment arrive in workers; what main() printed on the way does not come again.
int surroundings() {
  ProcessExecutor pool({.workers = 2});
  const auto variable = [](const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return std::string(value != nullptr ? value : "");
  };
  say(pool.submit(variable, std::string("MUTIRAO_PROCESS")).get() + ".");
  const auto command = [] {
    std::ifstream file("/proc/self/cmdline");
    std::string name;
    std::string first;
    std::getline(std::getline(file, name, '\0'), first, '\0');
    return first;
  };
  say(pool.submit(command).get());
  const auto print = [] { std::printf("from a task\n"); };
  pool.submit(print).get();
  return 0;
}

/// What this program forked may live longer than it.
int forked_child_stays() {
  ProcessExecutor pool({.workers = 1});
  if (::fork() == 0) {
    // Until the test says something.
    std::string line;
    std::getline(std::cin, line);
    ::_exit(0);
  }
  return pool.submit(square, 3).get() == 9 ? 0 : 1;
}

void expect(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

template <class E, class F>
bool throws(F body) {
  try {
    body();
    return false;
  } catch (const E&) {
    return true;
  }
}

/// Deadlines, while the clock of the day jumps.
int jumping_clock() {
  using std::chrono::milliseconds;
  const auto day = [] { return std::chrono::system_clock::now(); };
  bool jumps = false;
  for (int i = 0; i < 4; ++i) jumps |= day() + std::chrono::minutes(30) < day();
  expect(jumps, "the clock does not jump");
  ProcessExecutor pool({.workers = 1, .grace = milliseconds(1)});
  ThreadExecutor threads({.threads = 1});
  const auto hang_for_ever = [] {
    while (!this_task::stop_token().stop_requested()) std::this_thread::yield();
  };
  for (Executor* const executor :
       {static_cast<Executor*>(&pool), static_cast<Executor*>(&threads)}) {
    expect(executor->submit({.timeout = std::chrono::minutes(20)}, square, 3).get() == 9, "late");
    expect(throws<TaskTimeout>(
               [&] { executor->submit({.timeout = milliseconds(5)}, hang_for_ever).get(); }),
           "no timeout");
    const auto fail = [] { throw std::runtime_error("again"); };
    const TaskOptions again{.retry = {.attempts = 2, .backoff = milliseconds(1)}};
    expect(throws<std::runtime_error>([&] { executor->submit(again, fail).get(); }), "no backoff");
    Future<void> hangs = executor->submit(hang_for_ever);
    expect(!hangs.wait_for(milliseconds(5)), "it ended");
    hangs.cancel();
    hangs.wait();
  }
  return 0;
}

/// The program and its tasks are stopped for longer than they may run.
int stopped() {
  const TaskOptions options{.timeout = std::chrono::milliseconds(300)};
  ProcessExecutor pool({.workers = 1});
  ThreadExecutor threads({.threads = 1});
  Future<int> in_process = pool.submit(options, [] {
    say(std::to_string(::getpid()));
    ::raise(SIGSTOP);
    return 3;
  });
  while (in_process.worker_pid() == 0) std::this_thread::yield();
  Future<int> on_thread = threads.submit(options, [] {
    ::kill(::getpid(), SIGSTOP);
    return 4;
  });
  return on_thread.get() + in_process.get();
}

/// What a program built in some other way is expected to do as all do.
int everything() {
  ProcessExecutor pool({.workers = 2});
  expect(pool.submit(square, 3).get() == 9, "a function");
  expect(pool.submit([](const std::string& a) { return a + "!"; }, std::string("a")).get() == "a!",
         "a lambda");
  expect(pool.map(square, std::vector<int>{1, 2, 3}) == std::vector<int>{1, 4, 9}, "map");
  expect(throws<std::out_of_range>(
             [&] { pool.submit([] { return std::vector<int>(1).at(7); }).get(); }),
         "an exception");
  expect(throws<TaskCrashed>([&] { pool.submit([] { std::abort(); }).get(); }), "a crash");
  const auto array = core::SharedArray<int>::copy_of(std::vector<int>(1000, 5));
  expect(pool.submit([](const core::SharedArray<int>& a) { return a[999]; }, array).get() == 5,
         "an array");
  expect(ThreadExecutor({.threads = 2}).submit(square, 3).get() == 9, "threads");
  return 0;
}

int memory_files_refused() {
  expect(forbid_memory_files(), "seccomp is refused");
  expect(throws<core::IoError>([] { ProcessExecutor pool({.workers = 1}); }), "a pool was made");
  expect(throws<core::IoError>([] { core::SharedArray<int> array(10); }), "an array was made");
  expect(ThreadExecutor({.threads = 1}).submit(square, 3).get() == 9, "threads need files");
  return 0;
}

/// The same when they were refused before the program began.
int memory_files_refused_before() {
  expect(throws<core::IoError>([] { ProcessExecutor pool({.workers = 1}); }), "a pool was made");
  expect(ThreadExecutor({.threads = 1}).submit(square, 3).get() == 9, "threads need files");
  return 0;
}

int large_arrays() {
  struct statvfs shm {};
  expect(::statvfs("/dev/shm", &shm) == 0 && shm.f_blocks * shm.f_frsize <= 65536, "large shm");
  ProcessExecutor pool({.workers = 2});
  constexpr std::size_t kSize = 16 << 20;
  const auto twice = [](const core::SharedArray<float>& a) {
    core::SharedArray<float> result(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) result.writable()[i] = 2 * a[i];
    return result;
  };
  const auto input = core::SharedArray<float>::copy_of(std::vector<float>(kSize, 1.5F));
  const auto output = pool.submit(twice, input).get();
  expect(output.size() == kSize && output[kSize - 1] == 3.0F, "a wrong result");
  return 0;
}

std::size_t creep(std::size_t mebibytes) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < mebibytes; ++i) {
    blocks.push_back(std::make_unique<char[]>(1 << 20));
    std::memset(blocks.back().get(), 1, 1 << 20);
  }
  return blocks.size();
}

/// The program's own control group runs out of memory; the task had no limit.
int killed_for_memory() {
  ProcessExecutor pool({.workers = 2});
  for (int round = 0; round < 2; ++round) {
    try {
      pool.submit({.name = "greedy"}, creep, std::size_t{4096}).get();
      return 1;
    } catch (const MemoryLimitExceeded& error) {
      expect(error.details().seen == MemoryLimitExceeded::Seen::kByKernel, "not by the kernel");
      expect(error.details().limit_bytes == 0, "a limit");
    }
    expect(pool.submit(square, 3).get() == 9, "the pool is lost");
  }
  return 0;
}

/// While the test changes files, it waits for a line.
void let_files_change() {
  say("ready");
  std::string line;
  std::getline(std::cin, line);
}

int replaced_on_disk() {
  ProcessExecutor pool({.workers = 1});
  expect(pool.submit(square, 2).get() == 4, "the pool does not work");
  let_files_change();
  expect(throws<TaskCrashed>([&] { pool.submit([] { ::raise(SIGKILL); }).get(); }), "no crash");
  expect(pool.submit(square, 3).get() == 9, "the new worker does not work");
  return ProcessExecutor({.workers = 1}).submit(square, 4).get() == 16 ? 0 : 1;
}

int changed_library() {
  let_files_change();
  ProcessExecutor pool({.workers = 2});
  try {
    pool.submit(square, 3).get();
    return 1;
  } catch (const WorkerInitFailed& error) {
    say(error.what());
  }
  return 0;
}

int workers_never_arrive() {
  ProcessExecutor pool({.workers = 2, .start_timeout = std::chrono::milliseconds(30)});
  try {
    pool.submit(square, 3).get();
    return 1;
  } catch (const WorkerInitFailed& error) {
    say(error.what());
  }
  return 0;
}

using Scenario = int (*)();

const std::map<std::string, Scenario>& scenarios() {
  static const std::map<std::string, Scenario> all{
      {"nested_hang", nested_hang},
      {"exit_with_a_live_pool", exit_with_a_live_pool},
      {"static_pool_outlives_the_runtime", static_pool_outlives_the_runtime},
      {"killed_zygote", killed_zygote},
      {"orphaned_cores", orphaned_cores},
      {"thread_that_made_the_pool_ends", thread_that_made_the_pool_ends},
      {"jumping_clock", jumping_clock},
      {"stopped", stopped},
      {"everything", everything},
      {"forked_child_stays", forked_child_stays},
      {"surroundings", surroundings},
      {"memory_files_refused", memory_files_refused},
      {"memory_files_refused_before", memory_files_refused_before},
      {"large_arrays", large_arrays},
      {"killed_for_memory", killed_for_memory},
      {"replaced_on_disk", replaced_on_disk},
      {"changed_library", changed_library},
      {"workers_never_arrive", workers_never_arrive},
  };
  return all;
}

}  // namespace
}  // namespace mutirao::exec

int main(int argc, char** argv) {
  if (std::getenv("MUTIRAO_TEST_THREAD_FIRST") != nullptr) {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
  }
  // A lock that only one process can have.
  if (const char* const file = std::getenv("MUTIRAO_TEST_LOCK")) {
    const int fd = ::open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::flock(fd, LOCK_EX) != 0) return 94;
  }
  std::printf("main begins\n");
  std::fflush(stdout);
  mutirao::exec::Runtime runtime(argc, argv);
  const bool executes = runtime.start_method() == mutirao::exec::Runtime::StartMethod::kExecute;
  if (executes != (std::getenv("MUTIRAO_TEST_THREAD_FIRST") != nullptr)) return 97;
  try {
    return argc > 1 ? mutirao::exec::scenarios().at(argv[1])() : 96;
  } catch (const std::exception& error) {
    mutirao::exec::say(mutirao::core::describe(error));
    return 95;
  }
}
