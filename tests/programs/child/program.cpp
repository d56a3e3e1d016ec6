// What programs do with their executors while they end, or are ended: one scenario a run.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
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

using Scenario = int (*)();

const std::map<std::string, Scenario>& scenarios() {
  static const std::map<std::string, Scenario> all{
      {"nested_hang", nested_hang},
      {"exit_with_a_live_pool", exit_with_a_live_pool},
      {"static_pool_outlives_the_runtime", static_pool_outlives_the_runtime},
      {"killed_zygote", killed_zygote},
      {"orphaned_cores", orphaned_cores},
      {"thread_that_made_the_pool_ends", thread_that_made_the_pool_ends},
      {"surroundings", surroundings},
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
