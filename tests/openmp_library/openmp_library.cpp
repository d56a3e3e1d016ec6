// Counts the threads of a parallel region, in a library that is loaded where it is wanted.

#include <algorithm>

#include <omp.h>

extern "C" int openmp_threads() {
  int threads = 0;
#pragma omp parallel reduction(max : threads)
  threads = omp_get_num_threads();
  return threads;
}
