// 80 MB go to a worker and 80 MB come back, and nothing is copied.

#include <iostream>
#include <numeric>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"

using namespace mutirao;

namespace {

core::SharedArray<double> doubled(const core::SharedArray<double>& values) {
  core::SharedArray<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result.writable()[i] = 2 * values[i];
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  exec::ProcessExecutor pool({.workers = 1});

  core::SharedArray<double> values(10'000'000);
  std::iota(values.writable().begin(), values.writable().end(), 0.0);
  const core::SharedArray<double> result = pool.submit(doubled, values).get();
  std::cout << "last: " << static_cast<long>(result[result.size() - 1]) << '\n';
}
