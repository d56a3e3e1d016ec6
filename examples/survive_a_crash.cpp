// A task that crashes costs only itself: the others give their results, and so does the next.

#include <csignal>
#include <iostream>
#include <vector>

#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"

using namespace mutirao;

namespace {

int careless(int x) {
  if (x == 3) std::raise(SIGSEGV);
  return 10 * x;
}

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  exec::ProcessExecutor pool({.workers = 2});

  std::vector<exec::Future<int>> futures;
  for (int x = 0; x < 6; ++x) futures.push_back(pool.submit({.name = "careless"}, careless, x));

  int sum = 0;
  for (auto& future : futures) {
    try {
      sum += future.get();
    } catch (const exec::TaskCrashed& crash) {
      std::cout << crash.what() << '\n';
      for (const std::string& line : crash.backtrace()) std::cout << "  " << line << '\n';
    }
  }
  std::cout << "sum of the others: " << sum << '\n';
}
