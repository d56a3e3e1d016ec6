// Open MPI's all-reduce under mpirun: for each size, p50 in microseconds. Prints "bytes p50" lines
// on rank 0. The buffer is rewritten before each call.
// usage: mpi_all_reduce BYTES,CALLS ...

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <mpi.h>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int i = 1; i < argc; ++i) {
    long bytes = 0;
    int calls = 0;
    if (std::sscanf(argv[i], "%ld,%d", &bytes, &calls) != 2) return 2;
    std::vector<float> values(static_cast<std::size_t>(bytes) / sizeof(float));
    std::vector<double> taken;
    for (int call = 0; call < calls; ++call) {
      std::fill(values.begin(), values.end(), 1.0F + static_cast<float>(call));
      MPI_Barrier(MPI_COMM_WORLD);
      const auto start = std::chrono::steady_clock::now();
      MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_FLOAT,
                    MPI_SUM, MPI_COMM_WORLD);
      taken.push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
              .count());
      if (values.back() != (1.0F + static_cast<float>(call)) * static_cast<float>(size))
        std::abort();
    }
    std::nth_element(taken.begin(), taken.begin() + calls / 2, taken.end());
    if (rank == 0) std::printf("%ld %f\n", bytes, taken[static_cast<std::size_t>(calls) / 2]);
  }
  MPI_Finalize();
}
