// Reads hostile model files:
//
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/tests/fuzz/model_file_fuzzer WORK tests/fuzz/corpus
//
// Every mutation gets the sums that it calls for, else none would come past them.

#include <cstddef>
#include <cstdint>
#include <span>

#include "model_file_target.hpp"
#include "mutirao/models/internal/model_file.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned int seed) {
  size = LLVMFuzzerMutate(data, size, most);
  // Some stay unsigned, so that the sums are tested too.
  if (seed % 8 != 0)
    mutirao::models::internal::sign_model_file(std::as_writable_bytes(std::span(data, size)));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mutirao::models::test::read_and_predict(std::as_bytes(std::span(data, size)));
  return 0;
}
