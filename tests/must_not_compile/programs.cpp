// Each block, alone, must be refused with the sentence that stands beside its name in
// CMakeLists.txt; without any of them the file compiles.

#include <memory>
#include <string>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"

using namespace mutirao;

namespace {

struct NoSerialize {
  int* pointer = nullptr;
};
struct NoDefault {
  explicit NoDefault(int) {}
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace

void program(exec::Executor& executor) {
  [[maybe_unused]] int captured = 3;
#if defined(A_LAMBDA_WITH_CAPTURES)
  (void)executor.submit([captured] { return captured; });
#elif defined(A_LAMBDA_WITH_A_REFERENCE)
  (void)executor.submit([&captured] { return captured; });
#elif defined(AN_ARGUMENT_WITHOUT_SERIALIZE)
  (void)executor.submit([](NoSerialize) { return 1; }, NoSerialize{});
#elif defined(AN_ARGUMENT_WITHOUT_DEFAULT)
  (void)executor.submit([](NoDefault) { return 1; }, NoDefault(1));
#elif defined(A_POINTER)
  (void)executor.submit([](int* p) { return *p; }, &captured);
#elif defined(A_RESULT_WITHOUT_SERIALIZE)
  (void)executor.submit([] { return NoSerialize{}; });
#elif defined(A_WRONG_ARGUMENT)
  (void)executor.submit([](int x) { return x; }, std::string("three"));
#elif defined(A_MAP_WITHOUT_RESULTS)
  executor.map([](int) {}, std::vector<int>{1});
#elif defined(A_SHARED_ARRAY_OF_STRINGS)
  core::SharedArray<std::string> array(3);
#else
  (void)executor.submit([](int x) { return x; }, captured);
#endif
}
