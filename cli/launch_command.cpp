#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/machine.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/core/terminal.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/launch/launch.hpp"

namespace mutirao::cli {
namespace {

/// The first SIGINT, SIGTERM or SIGHUP asks to stop, the second to kill. While it lives, these
/// signals come to nobody else.
class StopOnSignals {
 public:
  StopOnSignals() {
    ::sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::jthread([this](const std::stop_token& over) {
      for (int signal = 0; ::sigwait(&signals_, &signal) == 0 && !over.stop_requested();) {
        if (!stop_.request_stop()) kill_.request_stop();
      }
    });
  }
  ~StopOnSignals() {
    thread_.request_stop();
    ::pthread_kill(thread_.native_handle(), SIGTERM);
  }
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

  std::stop_token stop() const { return stop_.get_token(); }
  std::stop_token kill() const { return kill_.get_token(); }

 private:
  sigset_t signals_{};
  std::stop_source stop_;
  std::stop_source kill_;
  std::jthread thread_;
};

/// The lines of the ranks, each behind "[rank] "; on a terminal one line of progress below them.
class RankDisplay final : public launch::LaunchObserver {
 public:
  RankDisplay(std::size_t ranks, std::size_t max_restarts, bool live)
      : ranks_(ranks), max_restarts_(max_restarts), live_(live) {}
  ~RankDisplay() override { erase(); }

  void on_line(std::size_t rank, launch::Stream stream, std::string_view line) override {
    erase();
    std::FILE* file = stream == launch::Stream::kOut ? stdout : stderr;
    std::string text = fmt::format("[{}] {}\n", rank, line);
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
  }
  void on_restart(const launch::RankFailure& failure, std::size_t restart) override {
    restarts_ = restart;
    erase();
    print_note(fmt::format("{}", launch::describe(failure)));
    print_note(fmt::format("restart {} of {}", restart, max_restarts_));
  }
  void on_progress(std::size_t running, double seconds) override {
    if (!live_) return;
    erase();
    const std::string restarts =
        restarts_ == 0 ? "" : fmt::format(", restart {} of {}", restarts_, max_restarts_);
    const std::string line = fmt::format("mutirao: {} of {} ranks running, {:.0f} s{}", running,
                                         ranks_, seconds, restarts);
    const std::size_t width = core::terminal_width(STDERR_FILENO) - 1;
    std::fputs(line.substr(0, width).c_str(), stderr);
    drawn_ = true;
  }

 private:
  void erase() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
  }

  const std::size_t ranks_;
  const std::size_t max_restarts_;
  const bool live_;
  std::size_t restarts_ = 0;
  bool drawn_ = false;
};

struct Typed {
  std::string nproc;
  std::string master;
  std::string run_id;
  std::size_t nnodes = 1;
  std::size_t node_rank = 0;
  std::size_t max_restarts = 0;
  double grace = 5.0;
  bool quiet = false;
};

std::size_t ranks_of(const Typed& typed) {
  if (typed.nproc.empty())
    throw core::InvalidArgument("the number of ranks is not given", "--nproc N, or --nproc auto");
  if (typed.nproc == "auto") {
    const std::size_t count = gpu_names().size();
    return count != 0 ? count : exec::available_cores();
  }
  std::size_t ranks = 0;
  const char* last = typed.nproc.data() + typed.nproc.size();
  const auto [end, error] = std::from_chars(typed.nproc.data(), last, ranks);
  if (error != std::errc{} || end != last || ranks == 0) {
    throw core::InvalidArgument(fmt::format("--nproc: '{}' is no number of ranks", typed.nproc),
                                "give a number from 1, or auto");
  }
  return ranks;
}

void read_master(const std::string& text, launch::LaunchOptions& options) {
  if (text.empty()) return;
  const std::size_t colon = text.rfind(':');
  unsigned port = 0;
  bool good = colon != std::string::npos && colon > 0;
  if (good) {
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, last, port);
    good = error == std::errc{} && end == last && port > 0 && port < 65536;
  }
  if (!good) {
    throw core::InvalidArgument(fmt::format("--master: '{}' is no HOST:PORT", text),
                                "for example --master 10.0.0.1:29500");
  }
  options.master_address = text.substr(0, colon);
  options.master_port = static_cast<std::uint16_t>(port);
}

int run(const Typed& typed, const CLI::App& command) {
  const std::vector<std::string> program = command.remaining();
  if (!program.empty() && program.front().starts_with("-")) {
    std::vector<std::string> known;
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    const std::string unknown = program.front().substr(0, program.front().find('='));
    throw core::InvalidArgument(fmt::format("there is no option {} of mutirao launch", unknown),
                                core::suggestion(unknown, known, 40));
  }
  if (!(typed.grace >= 0.0) || typed.grace > 3600.0)
    throw core::InvalidArgument("--grace takes 0 to 3600 seconds");
  launch::LaunchOptions options{.command = program,
                                .ranks = ranks_of(typed),
                                .nodes = typed.nnodes,
                                .node_rank = typed.node_rank,
                                .run_id = typed.run_id,
                                .max_restarts = typed.max_restarts};
  read_master(typed.master, options);
  options.threads_per_rank = std::max<std::size_t>(1, exec::available_cores() / options.ranks);
  options.grace = std::chrono::milliseconds(static_cast<std::int64_t>(typed.grace * 1000.0));

  const StopOnSignals signals;
  options.stop = signals.stop();
  options.kill = signals.kill();
  launch::LaunchResult result;
  {
    RankDisplay display(options.ranks, options.max_restarts,
                        !typed.quiet && core::is_terminal(STDERR_FILENO));
    result = launch::launch(options, display);
  }
  if (result.failure) {
    fmt::print(stderr, "mutirao: error: {}\n", launch::describe(*result.failure));
    return kFailure;
  }
  if (!result.stopped) return kSuccess;
  if (!typed.quiet) print_note("interrupted; all ranks are stopped");
  return kInterrupted;
}

}  // namespace

Action add_launch(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("launch", "Start the ranks of a distributed program and watch them");
  const auto typed = std::make_shared<Typed>();
  command->prefix_command();
  command
      ->add_option("--nproc", typed->nproc,
                   "ranks on this machine; auto: one per GPU, without GPUs one per core")
      ->type_name("N|auto");
  command->add_option("--nnodes", typed->nnodes, "machines, each with as many ranks (1)")
      ->type_name("M");
  command->add_option("--node-rank", typed->node_rank, "which machine this is, from 0")
      ->type_name("R");
  command
      ->add_option("--master", typed->master,
                   "where rank 0 listens; the same on all machines (one machine: a free port)")
      ->type_name("HOST:PORT");
  command->add_option("--run-id", typed->run_id, "the same on all machines, of no other run")
      ->type_name("ID");
  command
      ->add_option("--max-restarts", typed->max_restarts,
                   "how often all ranks are started again after one has failed (0)")
      ->type_name("K");
  command
      ->add_option("--grace", typed->grace,
                   "seconds between asking a rank to end and killing it (5)")
      ->type_name("S");
  command->add_flag("--quiet", typed->quiet, "no progress line");
  command->footer(
      "mutirao launch --nproc N [OPTIONS] PROGRAM [ARGUMENTS]\n\n"
      "Each rank finds RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT "
      "and\n"
      "OMP_NUM_THREADS in its environment. Its lines are printed behind its number: [0] loss 2.3");
  return [typed, command] { return run(*typed, *command); };
}

}  // namespace mutirao::cli
