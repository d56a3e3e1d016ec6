// A task says how far it has come; the program draws it, and takes results as they come.

#include <chrono>
#include <iostream>
#include <vector>

#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/exec/wait.hpp"

using namespace mutirao;
using namespace std::chrono_literals;

namespace {

long count_primes(long limit) {
  long found = 0;
  for (long n = 2; n < limit; ++n) {
    bool prime = true;
    for (long d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    found += prime ? 1 : 0;
    exec::this_task::report_progress(
        {.done = static_cast<std::uint64_t>(n + 1), .total = static_cast<std::uint64_t>(limit)});
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  exec::ProcessExecutor pool({.workers = 2});

  exec::Future<long> first = pool.submit(count_primes, 200'000L);
  while (!first.wait_for(20ms)) {
    const exec::Progress progress = first.progress();
    std::cerr << progress.done << " of " << progress.total << '\n';
  }

  std::vector<exec::Future<long>> rest;
  for (long limit = 10'000; limit > 0; limit -= 1'000)
    rest.push_back(pool.submit(count_primes, limit));
  long sum = first.get();
  for (auto& [index, future] : exec::as_completed(std::move(rest))) sum += future.get();
  std::cout << "primes counted: " << sum << '\n';
}
