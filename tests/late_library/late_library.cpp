// A library that a test loads while its program runs.

extern "C" int late_cube(int x) { return x * x * x; }
