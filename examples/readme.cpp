#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"

#include <cstdlib>
#include <iostream>
#include <numeric>

using namespace mutirao;

double sum(const core::SharedArray<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

int crash(int) { std::abort(); }

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);  // the first line of a program that starts worker processes

  exec::ProcessExecutor pool({.workers = 2});
  core::SharedArray<double> values(1'000'000);
  for (double& value : values.writable()) value = 0.5;

  auto total = pool.submit(sum, values);  // passes a descriptor, not the numbers
  auto lost = pool.submit(crash, 1);
  try {
    lost.get();
  } catch (const exec::TaskCrashed& error) {
    std::cout << error.what() << "\n";  // this task is lost; the pool goes on
  }
  std::cout << total.get() << "\n";
}
