#include "../runtime_main.hpp"

int main(int argc, char** argv) { return mutirao::exec::run_tests(argc, argv); }
