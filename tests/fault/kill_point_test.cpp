// A worker is run instruction by instruction and killed at chosen ones: before and after each
// change of the word that says how far its task is, and at many in between.

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

using internal::Channel;
using internal::ChannelHeader;
using internal::Slot;
using internal::SlotState;

/// A process that stands still between instructions.
class Stepped {
 public:
  explicit Stepped(pid_t process) : process_(process) {
    attached_ = ::ptrace(PTRACE_SEIZE, process, nullptr, nullptr) == 0 &&
                ::ptrace(PTRACE_INTERRUPT, process, nullptr, nullptr) == 0 && stopped();
  }
  ~Stepped() {
    if (!attached_) return;
    ::kill(process_, SIGKILL);
    stopped();
  }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;

  bool attached() const noexcept { return attached_; }
  /// False when the process has ended.
  bool step() const {
    return ::ptrace(PTRACE_SINGLESTEP, process_, nullptr, nullptr) == 0 && stopped();
  }
  /// The next instruction, counted from where the program lies in this process.
  std::uint64_t next_instruction() const {
    user_regs_struct registers{};
    ::ptrace(PTRACE_GETREGS, process_, nullptr, &registers);
    return registers.rip - base_;
  }

 private:
  bool stopped() const {
    int status = 0;
    while (::waitpid(process_, &status, __WALL) < 0) {
      if (errno != EINTR) return false;
    }
    return WIFSTOPPED(status);
  }
  static std::uint64_t first_mapping(pid_t process) {
    std::uint64_t address = 0;
    std::ifstream("/proc/" + std::to_string(process) + "/maps") >> std::hex >> address;
    return address;
  }

  const pid_t process_;
  const std::uint64_t base_ = first_mapping(process_);
  bool attached_ = false;
};

/// The channel of the only worker there is, which this process has mapped too.
const std::byte* only_channel() {
  constexpr std::size_t kBytes =
      sizeof(ChannelHeader) + Channel::kSlots * sizeof(Slot) + 2 * Channel::kArena;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    if (line.find("/memfd:mutirao") != std::string::npos && end - begin >= kBytes &&
        end - begin < kBytes + 4096)
      return reinterpret_cast<const std::byte*>(begin);
  }
  return nullptr;
}

/// Where a worker may be killed.
struct Moment {
  const Stepped& worker;
  std::uint64_t steps_in_state = 0;
  SlotState state = SlotState::kQueued;
};

std::string text_of(int size) { return std::string(static_cast<std::size_t>(size), 'x'); }

class KillPointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer's instructions are too many";
    if (std::getenv("MUTIRAO_TEST_THREAD_FIRST") != nullptr)
      GTEST_SKIP() << "how workers begin makes no difference";
  }

  /// Submits one task to a fresh worker and follows it; kills the worker when `here` says so. What
  /// the program must see is decided by the state in which it died. That state; none when the
  /// worker was not killed. `watch` sees each change of state.
  static std::optional<SlotState> follow(
      const std::function<bool(const Moment&)>& here,
      const std::function<void(SlotState former, SlotState state)>& watch = {}) {
    ProcessExecutor pool({.workers = 1});
    const pid_t process = pool.submit([] { return ::getpid(); }).get();
    const std::byte* const channel = only_channel();
    if (channel == nullptr) {
      ADD_FAILURE() << "no channel is mapped";
      return std::nullopt;
    }
    constexpr std::uint64_t kNumber = 1;
    const auto& header = *reinterpret_cast<const ChannelHeader*>(channel);
    const auto& slot = reinterpret_cast<const Slot*>(channel + sizeof(ChannelHeader))[kNumber];
    std::optional<SlotState> died;
    Future<std::string> future;
    {
      const Stepped worker(process);
      if (!worker.attached()) return std::nullopt;
      future = pool.submit(text_of, 1000);
      Moment now{worker};
      // When it is about to sleep it is over.
      while (now.state != SlotState::kDone || header.asleep.load() == 0) {
        if (here(now)) {
          died = now.state;
          break;
        }
        if (!worker.step()) {
          ADD_FAILURE() << "the worker ended by itself";
          break;
        }
        const SlotState state = internal::state_of(slot.state.load());
        if (state != now.state && watch) watch(now.state, state);
        now.steps_in_state = state == now.state ? now.steps_in_state + 1 : 0;
        now.state = state;
      }
    }
    try {
      EXPECT_EQ(future.get(), text_of(1000));
      EXPECT_TRUE(died == SlotState::kQueued || died == SlotState::kDone || !died);
    } catch (const TaskCrashed& crash) {
      EXPECT_EQ(crash.signal(), SIGKILL);
      EXPECT_EQ(crash.phase(), died == SlotState::kDecoding  ? TaskPhase::kDecoding
                               : died == SlotState::kRunning ? TaskPhase::kRunning
                                                             : TaskPhase::kEncoding);
      EXPECT_TRUE(died && *died >= SlotState::kDecoding && *died <= SlotState::kEncoding);
    }
    EXPECT_EQ(pool.submit(text_of, 3).get(), "xxx");
    return died;
  }
};

TEST_F(KillPointTest, BeforeAndAfterEachStateWord) {
  std::map<SlotState, std::uint64_t> entered_by;  // the instruction that stores the state
  std::map<SlotState, SlotState> former;
  std::uint64_t next = 0;
  follow(
      [&](const Moment& now) {
        next = now.worker.next_instruction();
        return false;
      },
      [&](SlotState before, SlotState after) {
        entered_by[after] = next;
        former[after] = before;
      });
  if (next == 0) GTEST_SKIP() << "processes may not be traced here";
  ASSERT_EQ(former, (std::map<SlotState, SlotState>{{SlotState::kDecoding, SlotState::kQueued},
                                                    {SlotState::kRunning, SlotState::kDecoding},
                                                    {SlotState::kEncoding, SlotState::kRunning},
                                                    {SlotState::kDone, SlotState::kEncoding}}));
  for (const auto& [state, instruction] : entered_by) {
    EXPECT_EQ(follow([&, &by = instruction, &entered = state](const Moment& now) {
                return now.state == former[entered] && now.worker.next_instruction() == by;
              }),
              former[state]);
    EXPECT_EQ(follow([&, &entered = state](const Moment& now) { return now.state == entered; }),
              state);
  }
}

TEST_F(KillPointTest, AnywhereInBetween) {
  std::map<SlotState, std::uint64_t> lengths;
  follow([&](const Moment& now) {
    lengths[now.state] = now.steps_in_state;
    return false;
  });
  if (lengths.empty()) GTEST_SKIP() << "processes may not be traced here";
  for (const auto& [state, length] : lengths) {
    for (const double part : {0.3, 0.7}) {
      const auto at = static_cast<std::uint64_t>(part * static_cast<double>(length));
      follow([&, &in = state](const Moment& now) {
        return now.state == in && now.steps_in_state >= at;
      });
    }
  }
}

}  // namespace
}  // namespace mutirao::exec
