// A program of somebody else: it grows one forest in a worker process and one here, and looks
// whether both are the same and any good.

#include <cmath>
#include <cstdio>
#include <vector>

#include <unistd.h>

#include <mutirao/data/matrix.hpp>
#include <mutirao/exec/process_executor.hpp>
#include <mutirao/exec/runtime.hpp>
#include <mutirao/models/metrics.hpp>
#include <mutirao/models/random_forest.hpp>

namespace {

using mutirao::core::SharedArray;
using mutirao::data::Matrix;

std::vector<double> grow(const Matrix& x, const SharedArray<double>& y) {
  mutirao::models::RandomForestRegressor forest({.n_estimators = 20});
  forest.fit(x, y.span(), {.seed = 7});
  return forest.predict(x);
}

int fail(const char* what) {
  std::fprintf(stderr, "consumer: %s\n", what);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  mutirao::exec::Runtime runtime(argc, argv);

  constexpr std::size_t kRows = 500;
  Matrix x(kRows, 2);
  SharedArray<double> y(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    x.writable_column(0)[i] = static_cast<double>(i % 23);
    x.writable_column(1)[i] = static_cast<double>(i % 17);
    y.writable()[i] = std::sin(0.3 * static_cast<double>(i % 23)) + static_cast<double>(i % 17);
  }

  mutirao::exec::ProcessExecutor processes({.workers = 2});
  auto elsewhere = processes.submit(grow, x, y);
  auto worker = processes.submit([] { return getpid(); });
  const std::vector<double> predictions = grow(x, y);
  if (worker.get() == getpid()) return fail("the task ran in this process");
  if (elsewhere.get() != predictions) return fail("two forests of one seed differ");
  const double r2 = mutirao::models::r2_score(y.span(), predictions);
  if (!(r2 > 0.95)) return fail("the forest has not learned");
  std::printf("r2 = %.3f\n", r2);
}
