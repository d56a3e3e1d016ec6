#include "mutirao/comm/internal/rendezvous.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/comm/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/core/shared_memory.hpp"

namespace mutirao::comm::internal {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Wait = core::LocalSocket::Wait;

constexpr std::uint64_t kMagic = 0x31'6d'6d'6f'63'74'75'6dULL;  // "mutcomm1"
constexpr milliseconds kLook{100};

struct Hello {
  std::uint64_t magic = kMagic;
  std::int32_t rank = 0;
  std::int32_t world_size = 0;
  std::int32_t process = 0;
};

enum class Word : std::uint32_t { kRefused, kWelcome, kMapped, kGo, kMemory };

struct Letter {
  Word word = Word::kRefused;
  std::int32_t error_number = 0;
  BoxMemory::Shape shape;
  char text[1400] = {};
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

Letter letter(Word word, const std::string& text = {}) {
  Letter result;
  result.word = word;
  std::memcpy(result.text, text.data(), std::min(text.size(), sizeof result.text - 1));
  return result;
}

milliseconds left_until(Clock::time_point deadline) {
  return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

std::string seconds_text(milliseconds time) {
  return fmt::format("{:g} s", static_cast<double>(time.count()) / 1000.0);
}

/// A joined rank's words about itself.
void join(const BoxMemory& memory, std::size_t index, int rank) {
  RankEntry& entry = memory.rank(index);
  entry.process = ::getpid();
  entry.global_rank = rank;
  const std::string host = core::host_name();
  std::memcpy(entry.host, host.data(), std::min(host.size(), sizeof entry.host - 1));
  entry.state.store(RankState::kJoined, std::memory_order_release);
}

/// A T that came over the socket, with its descriptors; nothing when the other end is gone.
template <class T>
struct Arrived {
  T value;
  std::vector<core::UniqueFd> fds;
};
template <class T>
std::optional<Arrived<T>> receive(const core::LocalSocket& socket) {
  Arrived<T> arrived;
  auto received = socket.receive(std::as_writable_bytes(std::span(&arrived.value, 1)), Wait::kYes);
  if (!received || received->bytes != sizeof(T)) return std::nullopt;
  arrived.fds = std::move(received->fds);
  return arrived;
}

class Host {
 public:
  Host(const MeetingPlan& plan, core::LocalListener listener)
      : plan_(plan),
        deadline_(Clock::now() + plan.timeout),
        listener_(std::move(listener)),
        sockets_(plan.members.size()),
        processes_(plan.members.size(), 0) {
    processes_[0] = ::getpid();
  }

  Box meet() {
    while (missing() > 0) gather();
    Box box;
    box.shape = {static_cast<std::uint32_t>(plan_.members.size()), plan_.staging_bytes,
                 std::clamp<std::uint64_t>((256U << 10) / plan_.members.size() / kLine * kLine,
                                           4096, 32U << 10)};
    box.members = plan_.members;
    core::UniqueFd fd;
    try {
      fd = core::create_reserved_memory_file(BoxMemory::bytes_of(box.shape));
      box.mapping = core::Mapping(fd.get(), BoxMemory::bytes_of(box.shape),
                                  core::Mapping::Access::kReadWrite);
    } catch (const core::Error& error) {
      fail(fmt::format("rank {}: {}", plan_.rank, error.what()), error.hint());
    }
    box.memory().start();
    join(box.memory(), 0, plan_.rank);
    Letter welcome = letter(Word::kWelcome);
    welcome.shape = box.shape;
    const std::array fds{fd.get()};
    for (std::size_t i = 1; i < sockets_.size(); ++i)
      sockets_[i].send(bytes_of(welcome), fds, Wait::kYes);
    for (std::size_t i = 1; i < sockets_.size(); ++i) expect_mapped(i);
    for (std::size_t i = 1; i < sockets_.size(); ++i)
      sockets_[i].send(bytes_of(letter(Word::kGo)), {}, Wait::kYes);
    box.sockets = std::move(sockets_);
    return box;
  }

 private:
  std::size_t missing() const {
    return static_cast<std::size_t>(std::count(processes_.begin(), processes_.end(), 0));
  }

  [[noreturn]] void fail(const std::string& message, const std::string& hint) {
    const Letter refused = letter(Word::kRefused, message + '\n' + hint);
    for (auto* group : {&sockets_, &strangers_}) {
      for (const core::LocalSocket& socket : *group) {
        if (socket) socket.send(bytes_of(refused), {}, Wait::kNo);
      }
    }
    throw RendezvousFailed(message, hint);
  }

  /// One look at the door.
  void gather() {
    std::vector<int> fds{listener_.get()};
    for (const auto& socket : sockets_) fds.push_back(socket ? socket.get() : -1);
    for (const auto& socket : strangers_) fds.push_back(socket.get());
    const milliseconds left = left_until(deadline_);
    if (left.count() <= 0) time_is_over();
    const std::vector<bool> readable = core::wait_readable(fds, std::min(left, kLook));
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (readable[1 + i])
        fail(fmt::format("rank {} (process {}) ended before all {} ranks had met", plan_.members[i],
                         processes_[i], plan_.world_size),
             "look at what that rank wrote last");
    }
    std::vector<core::LocalSocket> still_strangers;
    for (std::size_t i = 0; i < strangers_.size(); ++i) {
      if (readable[1 + sockets_.size() + i]) {
        introduce(std::move(strangers_[i]));
      } else {
        still_strangers.push_back(std::move(strangers_[i]));
      }
    }
    strangers_ = std::move(still_strangers);
    if (!readable[0]) return;
    while (auto socket = listener_.accept()) {
      // Another user's process has no business here, and is not told what is.
      if (socket->peer().user == ::geteuid()) strangers_.push_back(*std::move(socket));
    }
  }

  void introduce(core::LocalSocket socket) {
    const auto arrived = receive<Hello>(socket);
    if (!arrived) return;  // gone again
    const Hello& hello = arrived->value;
    const pid_t process = socket.peer().process;
    strangers_.push_back(std::move(socket));
    if (hello.magic != kMagic)
      fail(fmt::format("process {} is built with another version of mutirao", process),
           "build all ranks from one source");
    if (hello.world_size != plan_.world_size)
      fail(fmt::format("rank {} (process {}) was told that there are {} ranks, rank {} that there "
                       "are {}",
                       hello.rank, process, hello.world_size, plan_.rank, plan_.world_size),
           "set the same world size in every rank");
    const auto place = std::find(plan_.members.begin(), plan_.members.end(), hello.rank);
    if (place == plan_.members.end())
      fail(fmt::format("process {} says that it is rank {}, which is not of this group of {}",
                       process, hello.rank, plan_.world_size),
           "ranks count from 0 to the world size less one");
    const auto index = static_cast<std::size_t>(place - plan_.members.begin());
    if (processes_[index] != 0)
      fail(fmt::format("there are two of rank {}: processes {} and {}", hello.rank,
                       processes_[index], process),
           "give each process a rank of its own, and each job its own MASTER_PORT or run id");
    if (hello.process != process)
      fail(fmt::format("rank {} lives in another pid namespace, so nobody here could see it die",
                       hello.rank),
           "start all ranks of a machine in one container");
    processes_[index] = process;
    sockets_[index] = std::move(strangers_.back());
    strangers_.pop_back();
  }

  [[noreturn]] void time_is_over() {
    std::vector<int> absent;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (processes_[i] == 0) absent.push_back(plan_.members[i]);
    }
    fail(fmt::format("{} of {} ranks had come after {}; missing: rank {}",
                     plan_.members.size() - absent.size(), plan_.members.size(),
                     seconds_text(plan_.timeout), fmt::join(absent, ", ")),
         "look whether they were started, on this machine, with the same MASTER_ADDR, MASTER_PORT "
         "and run id; ranks on several machines need LOCAL_WORLD_SIZE");
  }

  void expect_mapped(std::size_t i) {
    const std::array fds{sockets_[i].get()};
    while (!core::wait_readable(
        fds, std::min(std::max(left_until(deadline_), milliseconds(0)), kLook))[0]) {
      if (Clock::now() > deadline_)
        fail(fmt::format("rank {} came, but did not map the shared memory within {}",
                         plan_.members[i], seconds_text(plan_.timeout)),
             "look whether that rank is stopped");
    }
    const auto answer = receive<Letter>(sockets_[i]);
    if (!answer)
      fail(fmt::format("rank {} (process {}) ended before all {} ranks had met", plan_.members[i],
                       processes_[i], plan_.world_size),
           "look at what that rank wrote last");
    if (answer->value.word != Word::kMapped)
      fail(fmt::format("rank {}: {}", plan_.members[i], answer->value.text),
           "see what that rank is allowed to use (ulimit -a)");
  }

  const MeetingPlan& plan_;
  const Clock::time_point deadline_;
  core::LocalListener listener_;
  std::vector<core::LocalSocket> sockets_;
  std::vector<core::LocalSocket> strangers_;
  std::vector<pid_t> processes_;  // 0: has not come
};

[[noreturn]] void throw_refusal(const Letter& refusal) {
  const std::string text = refusal.text;
  const auto end = text.find('\n');
  throw RendezvousFailed(text.substr(0, end),
                         end == std::string::npos ? std::string() : text.substr(end + 1));
}

/// The next letter from rank 0 of the box.
Arrived<Letter> next_letter(const core::LocalSocket& socket, const MeetingPlan& plan,
                            Clock::time_point deadline) {
  const std::array fds{socket.get()};
  for (;;) {
    const milliseconds left = left_until(deadline);
    if (left.count() <= 0)
      throw RendezvousFailed(
          fmt::format("rank {} is here, but some of the {} ranks have not come within {}",
                      plan.members[0], plan.world_size, seconds_text(plan.timeout)),
          fmt::format("rank {} says which, when its own time is over", plan.members[0]));
    if (core::wait_readable(fds, left)[0]) break;
  }
  auto arrived = receive<Letter>(socket);
  if (!arrived)
    throw RendezvousFailed(
        fmt::format("rank {} ended before all {} ranks had met", plan.members[0], plan.world_size),
        "look at what that rank wrote last");
  if (arrived->value.word == Word::kRefused) throw_refusal(arrived->value);
  return *std::move(arrived);
}

core::LocalSocket connect(const MeetingPlan& plan, Clock::time_point deadline) {
  for (;;) {
    if (auto socket = core::LocalSocket::connect(plan.name)) {
      if (socket->peer().user != ::geteuid())
        throw RendezvousFailed(
            fmt::format("the meeting place of this job is held by user {}", socket->peer().user),
            "choose another MASTER_PORT or run id");
      return *std::move(socket);
    }
    if (Clock::now() > deadline)
      throw RendezvousFailed(
          fmt::format("rank {} waited {} for rank {}, which has not come", plan.rank,
                      seconds_text(plan.timeout), plan.members[0]),
          "look whether it was started, on this machine, with the same MASTER_ADDR, MASTER_PORT "
          "and run id; ranks on several machines need LOCAL_WORLD_SIZE");
    // Nobody tells when a name appears.
    std::this_thread::sleep_for(milliseconds(2));
  }
}

void send_hello(const core::LocalSocket& socket, const MeetingPlan& plan) {
  const Hello hello{kMagic, plan.rank, plan.world_size, ::getpid()};
  socket.send(bytes_of(hello), {}, Wait::kYes);
}

Box visit(const MeetingPlan& plan) {
  const auto deadline = Clock::now() + plan.timeout;
  core::LocalSocket socket = connect(plan, deadline);
  send_hello(socket, plan);
  // Rank 0 may have begun later, and knows better who is missing.
  const auto patient = deadline + std::chrono::seconds(2);
  Arrived<Letter> welcome = next_letter(socket, plan, patient);
  Box box;
  box.shape = welcome.value.shape;
  box.members = plan.members;
  box.index = static_cast<std::size_t>(
      std::find(plan.members.begin(), plan.members.end(), plan.rank) - plan.members.begin());
  try {
    if (welcome.fds.empty()) throw core::InternalError("a welcome without memory");
    box.mapping = core::Mapping(welcome.fds[0].get(), BoxMemory::bytes_of(box.shape),
                                core::Mapping::Access::kReadWrite);
  } catch (const core::Error& error) {
    socket.send(bytes_of(letter(Word::kRefused, error.what())), {}, Wait::kNo);
    next_letter(socket, plan, patient);
    throw;
  }
  join(box.memory(), box.index, plan.rank);
  socket.send(bytes_of(letter(Word::kMapped)), {}, Wait::kYes);
  next_letter(socket, plan, patient);
  box.sockets.push_back(std::move(socket));
  return box;
}

}  // namespace

std::string socket_name(const std::string& what) {
  // FNV-1a, 64 bits.
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : what) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("mutirao-comm-{}-{:016x}", ::geteuid(), hash);
}

Box meet(const MeetingPlan& plan) {
  if (plan.rank != plan.members[0]) return visit(plan);
  const auto deadline = Clock::now() + plan.timeout;
  for (;;) {
    if (auto listener = core::LocalListener::listen(plan.name))
      return Host(plan, *std::move(listener)).meet();
    // Somebody has the name. If it is this job, he will say what is wrong, to both.
    if (const auto socket = core::LocalSocket::connect(plan.name)) {
      send_hello(*socket, plan);
      const std::array fds{socket->get()};
      if (core::wait_readable(fds, std::chrono::seconds(2))[0]) {
        const auto answer = receive<Letter>(*socket);
        if (answer && answer->value.word == Word::kRefused) throw_refusal(answer->value);
      }
    }
    if (Clock::now() > deadline)
      throw RendezvousFailed("the meeting place of this job is taken by another one",
                             "choose another MASTER_PORT or run id");
  }
}

core::UniqueFd share_memory_file(const Box& box, std::size_t bytes, milliseconds timeout,
                                 const FailureBoard& board) {
  if (box.index == 0) {
    core::UniqueFd fd;
    try {
      fd = core::create_reserved_memory_file(bytes);
    } catch (const core::IoError& error) {
      Letter refused = letter(Word::kRefused, std::string(error.what()) + '\n' + error.hint());
      refused.error_number = error.error_number();
      for (std::size_t i = 1; i < box.sockets.size(); ++i)
        box.sockets[i].send(bytes_of(refused), {}, Wait::kYes);
      throw;
    }
    const std::array fds{fd.get()};
    for (std::size_t i = 1; i < box.sockets.size(); ++i)
      box.sockets[i].send(bytes_of(letter(Word::kMemory)), fds, Wait::kYes);
    return fd;
  }
  const core::LocalSocket& socket = box.sockets[0];
  const auto deadline = Clock::now() + timeout;
  const std::array fds{socket.get()};
  while (!core::wait_readable(fds, kLook)[0]) {
    board.throw_if_failed();
    if (Clock::now() > deadline)
      throw core::IoError("rank 0 of this machine did not hand out shared memory", ETIMEDOUT);
  }
  auto arrived = receive<Letter>(socket);
  if (!arrived) throw core::IoError("rank 0 of this machine is gone", ECONNRESET);
  if (arrived->value.word == Word::kRefused) {
    const std::string text = arrived->value.text;
    const auto end = text.find('\n');
    throw core::IoError::restored(text.substr(0, end), arrived->value.error_number,
                                  end == std::string::npos ? "" : text.substr(end + 1));
  }
  if (arrived->fds.empty()) throw core::InternalError("memory without a descriptor");
  return std::move(arrived->fds[0]);
}

}  // namespace mutirao::comm::internal
