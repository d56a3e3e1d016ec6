#pragma once

// The executors that the conformance suite runs over.

#include <cstddef>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/exec/inline_executor.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/thread_executor.hpp"

namespace mutirao::exec {

struct Kind {
  const char* name;
  std::unique_ptr<Executor> (*make)(std::size_t workers);
};

/// Names of tests show it: the address of a string would change each time.
inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

inline const Kind kKinds[] = {
    {"Inline",
     [](std::size_t) -> std::unique_ptr<Executor> { return std::make_unique<InlineExecutor>(); }},
    {"Thread",
     [](std::size_t workers) -> std::unique_ptr<Executor> {
       return std::make_unique<ThreadExecutor>(ThreadExecutorOptions{.threads = workers});
     }},
    {"Process",
     [](std::size_t workers) -> std::unique_ptr<Executor> {
       return std::make_unique<ProcessExecutor>(ProcessExecutorOptions{.workers = workers});
     }},
};

inline std::string name_of_kind(const ::testing::TestParamInfo<Kind>& info) {
  return info.param.name;
}

class EveryExecutorTest : public ::testing::TestWithParam<Kind> {
 protected:
  static std::string kind() { return GetParam().name; }
  static std::unique_ptr<Executor> make(std::size_t workers = 2) {
    return GetParam().make(workers);
  }
};

}  // namespace mutirao::exec
