#include "mutirao/exec/internal/crash_handler.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include <execinfo.h>
#include <ucontext.h>
#include <unistd.h>

namespace mutirao::exec::internal {
namespace {

CrashReport* report_of_worker = nullptr;
pid_t worker = 0;
alignas(64) char handler_stack[128 * 1024];

// An overflow touches memory just below the stack pointer, or wherever a large frame reached to.
constexpr std::uintptr_t kLargestFrame = 1 << 20;

struct Machine {
  std::uintptr_t program_counter = 0;
  std::uintptr_t stack_pointer = 0;
};

Machine machine_of(const void* context) noexcept {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return {static_cast<std::uintptr_t>(registers.gregs[REG_RIP]),
          static_cast<std::uintptr_t>(registers.gregs[REG_RSP])};
#elif defined(__aarch64__)
  return {registers.pc, registers.sp};
#else
  (void)registers;
  return {};
#endif
}

void write_report(CrashReport& report, int signal, const siginfo_t& info, const void* context) {
  const Machine machine = machine_of(context);
  const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  report.stack_overflow = signal == SIGSEGV && info.si_code > 0 &&
                          address + kLargestFrame > machine.stack_pointer &&
                          address < machine.stack_pointer + 4096;
  void* addresses[CrashReport::kMostFrames + 8];
  const int count = ::backtrace(addresses, static_cast<int>(std::size(addresses)));
  // The handler itself is not of interest: the trace begins where the signal came.
  int first = 0;
  while (first < count &&
         reinterpret_cast<std::uintptr_t>(addresses[first]) != machine.program_counter)
    ++first;
  std::uint32_t frames = 0;
  if (first == count) {
    report.frames[frames++] = locate(machine.program_counter);
    first = std::min(2, count);
  }
  for (int i = first; i < count && frames < CrashReport::kMostFrames; ++i)
    report.frames[frames++] = locate(reinterpret_cast<std::uintptr_t>(addresses[i]));
  report.frame_count = frames;
  report.signal.store(static_cast<std::uint32_t>(signal), std::memory_order_release);
}

void on_signal(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  // A process that a task forked has no business in the report.
  if (::getpid() == worker && report_of_worker->signal.load(std::memory_order_relaxed) == 0)
    write_report(*report_of_worker, signal, *info, context);
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // delivered when this handler returns
  errno = saved;
}

}  // namespace

void install_crash_handler(CrashReport& report) {
  report_of_worker = &report;
  worker = ::getpid();
  remember_modules();
  // The first call loads the unwinder, which a handler must not.
  void* nowhere[1];
  ::backtrace(nowhere, 1);
  stack_t stack{};
  stack.ss_sp = handler_stack;
  stack.ss_size = sizeof handler_stack;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS})
    ::sigaction(signal, &action, nullptr);
}

}  // namespace mutirao::exec::internal
