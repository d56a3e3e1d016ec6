// What executors cost, each figure beside a peer in the same run. Peers in other languages:
// bench/peers/executors_pools.py. Percentiles are counters of the rows, in microseconds.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <future>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/exec/thread_executor.hpp"

namespace {

using namespace mutirao;
using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

int identity(int x) { return x; }

/// Gives the row the percentiles of these microseconds.
void report(benchmark::State& state, std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double part) {
    return samples[std::min(samples.size() - 1, static_cast<std::size_t>(part * samples.size()))];
  };
  state.counters["p50_us"] = at(0.5);
  state.counters["p99_us"] = at(0.99);
}

template <class Body>
double microseconds_of(Body body) {
  const auto start = Clock::now();
  body();
  return Microseconds(Clock::now() - start).count();
}

/// One sample per iteration of the row.
template <class Body>
void sample(benchmark::State& state, Body body) {
  std::vector<double> samples;
  for (auto _ : state) {
    samples.push_back(microseconds_of(body));
    state.SetIterationTime(samples.back() * 1e-6);
  }
  report(state, std::move(samples));
}

// ---- Processes.

void process_round_trip(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 2});
  for (int i = 0; i < 1000; ++i) pool.submit(identity, i).get();
  sample(state, [&] { benchmark::DoNotOptimize(pool.submit(identity, 1).get()); });
}
BENCHMARK(process_round_trip)->UseManualTime()->Iterations(20'000);

/// The peer: one byte there and back over two pipes, with another process.
class PingPong {
 public:
  PingPong() {
    if (::pipe(there_) != 0 || ::pipe(back_) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::close(there_[1]);
      for (char byte; ::read(there_[0], &byte, 1) == 1;) {
        if (::write(back_[1], &byte, 1) != 1) break;
      }
      ::_exit(0);
    }
  }
  ~PingPong() {
    for (const int fd : {there_[0], there_[1], back_[0], back_[1]}) ::close(fd);
  }
  void round() {
    char byte = 1;
    if (::write(there_[1], &byte, 1) != 1 || ::read(back_[0], &byte, 1) != 1) std::abort();
  }

 private:
  int there_[2];
  int back_[2];
  pid_t child_ = 0;
};

void peer_pipe_round_trip(benchmark::State& state) {
  PingPong pipes;
  for (int i = 0; i < 1000; ++i) pipes.round();
  sample(state, [&] { pipes.round(); });
}
BENCHMARK(peer_pipe_round_trip)->UseManualTime()->Iterations(5'000);

/// Turn about with its peer: how fast a core is after an idle time depends on what else the machine
/// does, and changes within seconds.
void process_round_trip_after_10_ms_idle(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 2});
  for (int i = 0; i < 1000; ++i) pool.submit(identity, i).get();
  PingPong pipes;
  const auto idle = [] { std::this_thread::sleep_for(std::chrono::milliseconds(10)); };
  std::vector<double> samples;
  std::vector<double> of_pipes;
  for (auto _ : state) {
    idle();
    of_pipes.push_back(microseconds_of([&] { pipes.round(); }));
    idle();
    samples.push_back(microseconds_of([&] { pool.submit(identity, 1).get(); }));
    state.SetIterationTime(samples.back() * 1e-6);
  }
  report(state, std::move(samples));
  std::sort(of_pipes.begin(), of_pipes.end());
  state.counters["pipe_p50_us"] = of_pipes[of_pipes.size() / 2];
}
BENCHMARK(process_round_trip_after_10_ms_idle)->UseManualTime()->Iterations(300);

void process_tasks_one_future_each(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 2});
  constexpr int kTasks = 200'000;
  std::vector<exec::Future<int>> futures;
  futures.reserve(kTasks);
  for (auto _ : state) {
    futures.clear();
    for (int i = 0; i < kTasks; ++i) futures.push_back(pool.submit(identity, i));
    long sum = 0;
    for (auto& future : futures) sum += future.get();
    if (sum != long{kTasks} * (kTasks - 1) / 2) state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * kTasks);
}
BENCHMARK(process_tasks_one_future_each)
    ->UseRealTime()
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);

void process_map(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 2});
  std::vector<int> items(200'000);
  std::iota(items.begin(), items.end(), 0);
  for (auto _ : state) benchmark::DoNotOptimize(pool.map(identity, items).size());
  state.SetItemsProcessed(state.iterations() * static_cast<long>(items.size()));
}
BENCHMARK(process_map)->UseRealTime()->Iterations(3)->Unit(benchmark::kMillisecond);

constexpr std::size_t kDoubles = 100'000'000 / sizeof(double);

void process_100_mb_shared_array_argument(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  core::SharedArray<double> array(kDoubles);
  std::fill(array.writable().begin(), array.writable().end(), 1.0);
  array.freeze();
  sample(state, [&] {
    pool.submit([](const core::SharedArray<double>& a) { return a[0]; }, array).get();
  });
}
BENCHMARK(process_100_mb_shared_array_argument)->UseManualTime()->Iterations(50);

void process_100_mb_shared_array_result(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  sample(state, [&] { pool.submit([] { return core::SharedArray<double>(kDoubles); }).get(); });
}
BENCHMARK(process_100_mb_shared_array_result)->UseManualTime()->Iterations(50);

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void process_100_mb_vector_argument_summed(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  const std::vector<double> values(kDoubles, 1.0);
  sample(state, [&] { pool.submit(sum_of, values).get(); });
}
BENCHMARK(process_100_mb_vector_argument_summed)->UseManualTime()->Iterations(7);

/// The worker has the values already, as here the program has the arguments: made at the first
/// call.
const std::vector<double>& ready_values() {
  static const std::vector<double> values(kDoubles, 1.0);
  return values;
}

void process_100_mb_vector_result_summed(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  sample(state, [&] { benchmark::DoNotOptimize(sum_of(pool.submit(ready_values).get())); });
}
BENCHMARK(process_100_mb_vector_result_summed)->UseManualTime()->Iterations(7);

/// The same, and the time that the task needs to make what it returns.
void process_100_mb_vector_made_and_summed(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  sample(state, [&] {
    benchmark::DoNotOptimize(
        sum_of(pool.submit([] { return std::vector<double>(kDoubles, 1.0); }).get()));
  });
}
BENCHMARK(process_100_mb_vector_made_and_summed)->UseManualTime()->Iterations(7);

/// The peer of both: what a program does by itself to have a copy and look at it.
void peer_memcpy_and_sum_100_mb(benchmark::State& state) {
  const std::vector<double> values(kDoubles, 1.0);
  sample(state, [&] {
    std::vector<double> copy(values);
    benchmark::DoNotOptimize(sum_of(copy));
  });
}
BENCHMARK(peer_memcpy_and_sum_100_mb)->UseManualTime()->Iterations(7);

void process_killed_to_next_task(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  std::vector<double> samples;
  for (auto _ : state) {
    const pid_t worker = pool.submit([] { return ::getpid(); }).get();
    samples.push_back(microseconds_of([&] {
      ::kill(worker, SIGKILL);
      while (pool.submit([] { return ::getpid(); }).get() == worker) {
      }
    }));
    state.SetIterationTime(samples.back() * 1e-6);
  }
  report(state, std::move(samples));
}
BENCHMARK(process_killed_to_next_task)->UseManualTime()->Iterations(200);

/// How long after its deadline the future of a task with a timeout of 100 ms fails.
void process_timeout_lateness(benchmark::State& state) {
  exec::ProcessExecutor pool({.workers = 1});
  const auto gigabytes = state.range(0);
  std::vector<double> samples;
  for (auto _ : state) {
    exec::Future<void> future = pool.submit(
        {.timeout = std::chrono::milliseconds(100)},
        [](long blocks) {
          const auto bytes = static_cast<std::size_t>(blocks) << 30;
          std::unique_ptr<char[]> memory;
          if (bytes != 0) {
            memory = std::make_unique_for_overwrite<char[]>(bytes);
            for (std::size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
          }
          for (;;) ::pause();
        },
        gigabytes);
    // The task begins at once: the worker is idle, and new after each round.
    const double microseconds = microseconds_of([&] { future.wait(); });
    samples.push_back(microseconds - 100'000);
    state.SetIterationTime(microseconds * 1e-6);
    pool.submit(identity, 1).get();
  }
  report(state, std::move(samples));
}
BENCHMARK(process_timeout_lateness)->Arg(0)->Arg(1)->UseManualTime()->Iterations(30);

void process_executor_start_to_first_result(benchmark::State& state) {
  std::vector<double> samples;
  for (auto _ : state) {
    std::optional<exec::ProcessExecutor> pool;
    samples.push_back(microseconds_of([&] {
      pool.emplace(exec::ProcessExecutorOptions{.workers = 2});
      benchmark::DoNotOptimize(pool->submit(identity, 1).get());
    }));
    state.SetIterationTime(samples.back() * 1e-6);
  }
  report(state, std::move(samples));
}
BENCHMARK(process_executor_start_to_first_result)->UseManualTime()->Iterations(200);

/// Processor time of the whole program, workers included, while it waits for a task that sleeps.
void process_idle_processor_time(benchmark::State& state) {
  const auto used = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return 1e6 * static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  exec::ProcessExecutor pool({.workers = 2});
  pool.submit(identity, 1).get();
  for (auto _ : state) {
    const double before = used();
    pool.submit([] { ::usleep(1'000'000); }).get();
    state.counters["used_us_per_second"] = used() - before;
  }
}
BENCHMARK(process_idle_processor_time)->UseRealTime()->Iterations(1)->Unit(benchmark::kMillisecond);

// ---- Threads.

constexpr int kThreadTasks = 1'000'000;

void thread_submit_and_get(benchmark::State& state) {
  exec::ThreadExecutor threads({.threads = 2});
  std::vector<exec::Future<int>> futures;
  futures.reserve(kThreadTasks);
  for (auto _ : state) {
    futures.clear();
    for (int i = 0; i < kThreadTasks; ++i) futures.push_back(threads.submit(identity, i));
    long sum = 0;
    for (auto& future : futures) sum += future.get();
    if (sum != long{kThreadTasks} * (kThreadTasks - 1) / 2) state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * kThreadTasks);
}
BENCHMARK(thread_submit_and_get)->UseRealTime()->Iterations(3)->Unit(benchmark::kMillisecond);

void peer_tbb_task_group(benchmark::State& state) {
  tbb::task_arena arena(2);
  for (auto _ : state) {
    std::atomic<long> sum{0};
    arena.execute([&] {
      tbb::task_group group;
      for (int i = 0; i < kThreadTasks; ++i)
        group.run([&sum, i] { sum.fetch_add(i, std::memory_order_relaxed); });
      group.wait();
    });
    benchmark::DoNotOptimize(sum.load());
  }
  state.SetItemsProcessed(state.iterations() * kThreadTasks);
}
BENCHMARK(peer_tbb_task_group)->UseRealTime()->Iterations(3)->Unit(benchmark::kMillisecond);

void thread_round_trip(benchmark::State& state) {
  exec::ThreadExecutor threads({.threads = 2});
  sample(state, [&] { benchmark::DoNotOptimize(threads.submit(identity, 1).get()); });
}
BENCHMARK(thread_round_trip)->UseManualTime()->Iterations(20'000);

void peer_tbb_enqueue_round_trip(benchmark::State& state) {
  tbb::task_arena arena(2);
  sample(state, [&] {
    std::promise<int> promise;
    std::future<int> future = promise.get_future();
    arena.enqueue([&] { promise.set_value(1); });
    future.get();
  });
}
BENCHMARK(peer_tbb_enqueue_round_trip)->UseManualTime()->Iterations(20'000);

void peer_std_async_round_trip(benchmark::State& state) {
  sample(state, [] { std::async(std::launch::async, [] { return 1; }).get(); });
}
BENCHMARK(peer_std_async_round_trip)->UseManualTime()->Iterations(5'000);

}  // namespace

int main(int argc, char** argv) {
  mutirao::exec::Runtime runtime(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
