// Tasks in worker processes: one result, then many in order.

#include <iostream>
#include <numeric>
#include <ranges>
#include <vector>

#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"

using namespace mutirao;

namespace {

double area(double radius) { return 3.14159265 * radius * radius; }

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  exec::ProcessExecutor pool({.workers = 2});

  exec::Future<double> one = pool.submit(area, 2.0);
  std::cout << "area: " << one.get() << '\n';

  const std::vector<int> squares = pool.map([](int x) { return x * x; }, std::views::iota(0, 100));
  std::cout << "sum of squares: " << std::accumulate(squares.begin(), squares.end(), 0) << '\n';
}
