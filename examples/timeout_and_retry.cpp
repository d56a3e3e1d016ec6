// A task that hangs is killed at its deadline and tried again; the second attempt finds things
// as the first left them.

#include <chrono>
#include <filesystem>
#include <iostream>
#include <string>

#include <unistd.h>

#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"

using namespace mutirao;
using namespace std::chrono_literals;

namespace {

std::string download(const std::string& marker) {
  if (std::filesystem::create_directory(marker)) {
    for (;;) ::pause();  // the server never answers
  }
  std::filesystem::remove(marker);
  return "answered";
}

}  // namespace

int main(int argc, char** argv) {
  exec::Runtime runtime(argc, argv);
  exec::ProcessExecutor pool({.workers = 1});

  const std::string marker =
      std::filesystem::temp_directory_path() / ("mutirao_example_" + std::to_string(::getpid()));
  exec::Future<std::string> answer = pool.submit(
      {.name = "download", .timeout = 100ms, .retry = {.attempts = 2}}, download, marker);
  std::cout << answer.get() << " after " << pool.stats().retried << " retry\n";
}
