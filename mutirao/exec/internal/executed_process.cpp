#include "mutirao/exec/internal/executed_process.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/internal/worker_main.hpp"
#include "mutirao/exec/internal/zygote.hpp"

namespace mutirao::exec::internal {
namespace {

// "MUTIRAO_PROCESS=worker:<process>:<descriptor>", both numbers with leading zeros.
constexpr std::string_view kVariable = "MUTIRAO_PROCESS";
constexpr std::string_view kZygote = "zygote:";
constexpr std::string_view kWorker = "worker:";
constexpr std::size_t kDigits = 10;

/// May run in a child of a process with threads.
void write_number(char* digits, unsigned value) noexcept {
  for (std::size_t i = kDigits; i-- > 0; value /= 10)
    digits[i] = static_cast<char>('0' + value % 10);
}

struct Marker {
  ExecutedRole role = ExecutedRole::kZygote;
  int socket = -1;
};

/// Takes the marker out of the environment; nothing when there was none for this process.
std::optional<Marker> take_marker() {
  const char* const variable = ::getenv(kVariable.data());
  if (variable == nullptr) return std::nullopt;
  const std::string value = variable;
  ::unsetenv(kVariable.data());
  if (value.size() != kWorker.size() + 2 * kDigits + 1) return std::nullopt;
  const auto number = [&](std::size_t at) {
    int parsed = -1;
    std::from_chars(value.data() + at, value.data() + at + kDigits, parsed);
    return parsed;
  };
  if (number(kWorker.size()) != ::getpid()) return std::nullopt;
  const int socket = number(kWorker.size() + kDigits + 1);
  if (value.starts_with(kZygote)) return Marker{ExecutedRole::kZygote, socket};
  if (value.starts_with(kWorker)) return Marker{ExecutedRole::kWorker, socket};
  return std::nullopt;
}

/// A worker on its way from the beginning of the process to the Runtime.
struct Arriving {
  ExecutedWorkerSeed seed;
  WorkerSeed worker;
  core::UniqueFd standard_output;
};
Arriving* arriving = nullptr;

void receive_worker_seed(core::LocalSocket zygote) {
  auto coming = std::make_unique<Arriving>();
  auto received = zygote.receive(std::as_writable_bytes(std::span(&coming->seed, 1)),
                                 core::LocalSocket::Wait::kYes);
  if (!received || received->bytes != sizeof coming->seed ||
      received->fds.size() < ExecutedWorkerSeed::kFds)
    throw core::InternalError("a worker was given no seed");
  std::vector<core::UniqueFd>& fds = received->fds;
  coming->worker.channel = std::move(fds[0]);
  coming->worker.bell = std::move(fds[1]);
  coming->worker.socket = core::LocalSocket(std::move(fds[2]));
  coming->worker.zygote = std::move(zygote);
  coming->worker.participant = coming->seed.participant;
  adopt_core_words(std::move(fds[3]));
  // Threads that the program starts before the Runtime count as this worker's.
  become_participant(coming->seed.participant);
  if (fds.size() > ExecutedWorkerSeed::kFds)
    coming->standard_output = std::move(fds[ExecutedWorkerSeed::kFds]);
  arriving = coming.release();
}

/// Before every constructor of the program's own.
__attribute__((constructor(101))) void enter_executed_process() noexcept try {
  const auto marker = take_marker();
  if (!marker) return;
  ::fcntl(marker->socket, F_SETFD, FD_CLOEXEC);
  core::LocalSocket socket{core::UniqueFd(marker->socket)};
  if (marker->role == ExecutedRole::kZygote) run_executed_zygote(std::move(socket));
  receive_worker_seed(std::move(socket));
} catch (const std::exception& error) {
  std::fprintf(stderr, "mutirao: a worker ends: %s\n", error.what());
  ::_exit(1);
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  if (arguments.empty())
    throw core::IoError("cannot read the command line of this program", ENOENT,
                        "is /proc mounted?");
  return arguments;
}

}  // namespace

SelfExecution::SelfExecution(ExecutedRole role, int socket)
    : socket_(socket),
      marker_(fmt::format("{}={}{:0>{}}:{:0>{}}", kVariable,
                          role == ExecutedRole::kZygote ? kZygote : kWorker, 0, kDigits, socket,
                          kDigits)),
      strings_(own_arguments()) {
  for (std::string& argument : strings_) arguments_.push_back(argument.data());
  arguments_.push_back(nullptr);
  for (char** each = environ; *each != nullptr; ++each) {
    if (!std::string_view(*each).starts_with(std::string(kVariable) + '='))
      environment_.push_back(*each);
  }
  environment_.push_back(marker_.data());
  environment_.push_back(nullptr);
}

void SelfExecution::execute() noexcept {
  write_number(marker_.data() + kVariable.size() + 1 + kWorker.size(),
               static_cast<unsigned>(::getpid()));
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  ::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
  ::fcntl(socket_, F_SETFD, 0);
  ::execve("/proc/self/exe", arguments_.data(), environment_.data());
  ::_exit(127);
}

void serve_if_executed() {
  if (arriving == nullptr) return;
  const std::unique_ptr<Arriving> worker(std::exchange(arriving, nullptr));
  ::prctl(PR_SET_NAME, "mutirao-worker");
  // What main() printed on the way was printed by the program already.
  std::fflush(stdout);
  if (worker->standard_output) {
    ::dup2(worker->standard_output.get(), STDOUT_FILENO);
    worker->standard_output.reset();
  }
  const std::string other = module_of_another_build(worker->seed.builds);
  const Hello hello{other.empty() ? Hello::kSame : Hello::kOther};
  if (!other.empty())
    std::fprintf(stderr, "mutirao: '%s' has changed since the program started\n", other.c_str());
  worker->worker.zygote.send(std::as_bytes(std::span(&hello, 1)), {},
                             core::LocalSocket::Wait::kYes);
  if (!other.empty()) ::_exit(1);
  remember_modules();
  run_worker(std::move(worker->worker));
}

}  // namespace mutirao::exec::internal
