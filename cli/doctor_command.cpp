#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/machine.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/instruction_set.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::cli {
namespace {

std::string memory_field(const std::string& key) {
  const std::optional<std::string> text = field_of("/proc/meminfo", key);
  return text ? report::bytes_text(std::stoull(*text) * 1024) : "unknown";
}

std::string gpus() {
  const std::vector<std::string> names = gpu_names();
  if (names.empty()) return "none found";
  return fmt::format("{}: {}", names.size(), fmt::join(names, ", "));
}

/// The findings, and what is missing with the command that gets it.
class Examination {
 public:
  void say(const std::string& what, const std::string& finding) {
    text_ += fmt::format("{:<16} {}\n", what, finding);
  }
  /// Says what `look` finds; if it throws, that, and its hint as the remedy.
  template <class Look>
  void examine(const std::string& what, Look look) {
    try {
      say(what, look());
    } catch (const core::Error& error) {
      say(what, fmt::format("MISSING: {}", error.what()));
      if (!error.hint().empty()) text_ += fmt::format("{:<16} -> {}\n", "", error.hint());
      complete_ = false;
    }
  }
  const std::string& text() const noexcept { return text_; }
  bool complete() const noexcept { return complete_; }

 private:
  std::string text_;
  bool complete_ = true;
};

int answer(int question) { return question; }

int run() {
  Examination machine;
  machine.say("mutirao", MUTIRAO_VERSION);
  machine.say("processor", field_of("/proc/cpuinfo", "model name").value_or("unknown"));
  machine.say("kernels", std::string(core::name_of(core::instruction_set())));
  machine.say("cores", fmt::format("{} for this process (the least of affinity, cgroup quota and "
                                   "Slurm's word)",
                                   exec::available_cores()));
  machine.say("memory", fmt::format("{}, {} available", memory_field("MemTotal"),
                                    memory_field("MemAvailable")));
  machine.say("open files", fmt::format("{}", core::file_limit()));
  machine.say("GPUs", gpus());
  machine.examine("shared memory", [] {
    core::SharedMemory::create(1 << 20);
    return "works";
  });
  machine.examine("worker processes", [] {
    exec::ProcessExecutor process({.workers = 1});
    return process.submit(answer, 42).get() == 42 ? "work" : "answer wrongly";
  });
  machine.examine("DuckDB", [] { return data::duckdb_version(); });
  print_result(machine.text());
  return machine.complete() ? kSuccess : kFailure;
}

}  // namespace

Action add_doctor(CLI::App& app) {
  app.add_subcommand("doctor", "Say what this machine offers and what is missing");
  return [] { return run(); };
}

}  // namespace mutirao::cli
