#include "mutirao/exec/internal/worker_main.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <stdio_ext.h>
#include <unistd.h>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/mapping.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/core/signals_blocked.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/internal/crash_handler.hpp"
#include "mutirao/exec/internal/held_core.hpp"
#include "mutirao/exec/internal/parallel_libraries.hpp"
#include "mutirao/exec/internal/patience.hpp"
#include "mutirao/exec/internal/remote_exception.hpp"
#include "mutirao/exec/internal/spawner.hpp"
#include "mutirao/exec/internal/worker_mail.hpp"

namespace mutirao::exec::internal {
namespace {

using Clock = std::chrono::steady_clock;

// How long an idle worker looks at its ring before it sleeps: about as long as waking it costs.
constexpr auto kLookFor = std::chrono::microseconds(50);
constexpr std::size_t kKeptCapacity = 1 << 20;

/// Listens, on a thread of its own, for the request to stop the task that runs. The thread begins
/// when a task first asks for its token: most never do, and a worker with one thread may be forked.
class StopListener {
 public:
  explicit StopListener(const Channel& channel) noexcept : channel_(channel) {}

  std::stop_token token_of(std::uint64_t number) {
    std::stop_source source;
    {
      const std::lock_guard lock(mutex_);
      if (source_ && number_ == number) return source_->get_token();
      if (!listening_) start();
      number_ = number;
      source_ = source;
    }
    tell();
    return source.get_token();
  }
  void forget() {
    if (!listening_) return;
    const std::lock_guard lock(mutex_);
    source_.reset();
  }

 private:
  void start() {
    const core::SignalsBlocked blocked;
    std::thread([this] { listen(); }).detach();
    listening_ = true;
  }
  void listen() {
    for (;;) {
      const std::uint32_t seen = word().load(std::memory_order_seq_cst);
      tell();
      core::futex_wait(word(), seen, core::FutexScope::kShared);
    }
  }
  void tell() {
    std::stop_source source(std::nostopstate);
    {
      const std::lock_guard lock(mutex_);
      if (source_ && word().load(std::memory_order_seq_cst) == stop_mark(number_))
        source = *source_;
    }
    // Callbacks of the task run here, without the lock.
    source.request_stop();  // NOLINT(clang-analyzer-cplusplus.Move): it was copied
  }
  const std::atomic<std::uint32_t>& word() const noexcept { return channel_.header().stop_task; }

  const Channel& channel_;
  std::atomic<bool> listening_{false};
  std::mutex mutex_;
  std::uint64_t number_ = 0;
  std::optional<std::stop_source> source_;
};

class Worker final : public RemoteCall, private TaskContext {
 public:
  explicit Worker(WorkerSeed seed)
      : channel_(std::move(seed.channel)),
        bell_mapping_(seed.bell.get(), sizeof(Bell), core::Mapping::Access::kReadWrite),
        bell_(*static_cast<Bell*>(bell_mapping_.data())),
        mail_(std::move(seed.socket), blocks_) {}

  [[noreturn]] void run() {
    install_crash_handler(channel_.header().crash);
    core::SharedMemory::count_in(&channel_.header().shared_bytes);
    channel_.header().ready.store(static_cast<std::uint32_t>(::getpid()),
                                  std::memory_order_release);
    for (std::uint64_t number = 0;; ++number) {
      wait_for(number);
      serve(number);
    }
  }

 private:
  bool something_for(std::uint64_t number) {
    ChannelHeader& shared = channel_.header();
    const std::uint64_t word = channel_.slot(number).state.load(std::memory_order_seq_cst);
    if (word == state_word(number, SlotState::kQueued) ||
        word == state_word(number, SlotState::kRecalled))
      return true;
    if (shared.stop.load(std::memory_order_seq_cst) != 0) ::_exit(0);
    if (shared.mail.load(std::memory_order_seq_cst) != 0) {
      shared.mail.store(0, std::memory_order_seq_cst);
      mail_.read_what_is_there();
    }
    return false;
  }

  void wait_for(std::uint64_t number) {
    if (something_for(number)) return;
    if (may_look_ && patience_.worth_a_look()) {
      const auto until = Clock::now() + kLookFor;
      while (Clock::now() < until) {
        for (int i = 0; i < 16; ++i) {
          if (something_for(number)) return patience_.hit();
          core::spin_pause();
        }
        if (core_words().task_waits()) drop_core();
        // Whoever has the next task may be waiting for this very core.
        std::this_thread::yield();
      }
      patience_.miss();
    }
    drop_core();
    ChannelHeader& shared = channel_.header();
    for (;;) {
      const std::uint32_t seen = shared.doorbell.load(std::memory_order_seq_cst);
      shared.asleep.store(1, std::memory_order_seq_cst);
      if (something_for(number)) break;
      core::futex_wait(shared.doorbell, seen, core::FutexScope::kShared);
    }
    shared.asleep.store(0, std::memory_order_seq_cst);
  }

  void serve(std::uint64_t number) {
    Slot& slot = channel_.slot(number);
    if (slot.state.load(std::memory_order_acquire) == state_word(number, SlotState::kRecalled)) {
      slot_ = &slot;
      number_ = number;
      publish();
      return;
    }
    // The cores first: while it waits for them, the task can still be recalled.
    take_cores(slot.cores);
    slot_ = &slot;
    number_ = number;
    const Clock::time_point start = Clock::now();
    slot.began_at.store(start.time_since_epoch().count(), std::memory_order_relaxed);
    std::uint64_t word = state_word(number, SlotState::kQueued);
    if (!slot.state.compare_exchange_strong(word, state_word(number, SlotState::kDecoding))) {
      give_back_reserved_cores();
      publish();
      return;
    }
    limit_memory(slot.memory_limit);
    limit_library_threads(slot.cores);
    reply_.bytes.clear();
    reply_.attachments.clear();
    attachments_sent_ = 0;
    slot.failed = 0;
    std::exception_ptr error;
    {
      const CurrentTask current(this);
      phase_ = SlotState::kDecoding;
      try {
        run_request(slot);
      } catch (...) {
        error = out_of_memory();
        if (!error) {
          error = phase_ == SlotState::kRunning ? std::current_exception() : not_serializable();
        }
      }
    }
    stop_listener_.forget();
    if (error) encode_failure(error);
    error = nullptr;
    // What the task printed is seen before its result is.
    if (::__fpending(stdout) > 0) std::fflush(stdout);
    send_reply(slot);
    using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 16'000'000>>;
    const std::int64_t ticks = std::chrono::duration_cast<Ticks>(Clock::now() - start).count();
    slot.microseconds_16 = static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(ticks, 1, std::numeric_limits<std::uint32_t>::max()));
    publish();
    limit_memory(0);
    give_back_reserved_cores();
    if (core_words().task_waits()) drop_core();
    if (reply_.bytes.capacity() > kKeptCapacity) reply_.bytes = {};
    reply_.attachments.clear();
  }

  void take_cores(std::uint32_t wanted) {
    if (wanted <= 1) {
      if (this_thread_holds_core()) return;
      if (const auto core =
              core_words().take(this_participant(), CoreWords::Need::kTask, [] { return false; }))
        adopt_core(*core);
      return;
    }
    drop_core();
    std::vector<std::size_t> cores = core_words().take_many(this_participant(), wanted);
    adopt_core(cores.back());
    cores.pop_back();
    reserve_cores(std::move(cores));
  }

  void limit_memory(std::uint64_t bytes) {
    if (bytes == memory_limit_) return;
    memory_limit_ = bytes;
    blocks_.enable(bytes == 0);
    core::allow_private_memory(bytes);
    core::SharedMemory::allow(bytes != 0 ? bytes : std::numeric_limits<std::uint64_t>::max());
  }

  /// Under a memory limit, being refused memory means having reached it. Null when the exception
  /// that is being handled is another.
  std::exception_ptr out_of_memory() const {
    if (memory_limit_ == 0) return nullptr;
    try {
      throw;
    } catch (const std::bad_alloc&) {
      return std::make_exception_ptr(MemoryLimitExceeded(
          {.limit_bytes = memory_limit_, .seen = MemoryLimitExceeded::Seen::kByAllocation}));
    } catch (...) {
      return nullptr;
    }
  }

  void publish() {
    slot_->state.store(state_word(number_, SlotState::kDone), std::memory_order_seq_cst);
    if (number_ + 1 >= channel_.header().notify_at.load(std::memory_order_seq_cst)) bell_.ring();
  }

  void run_request(const Slot& slot) {
    const std::size_t count = slot.request_attachments;
    std::shared_ptr<core::SharedMemory> file;
    const std::byte* begin = slot.inline_bytes;
    if (slot.request_place == Place::kInArena)
      begin = channel_.request_arena() + slot.request_at % Channel::kArena;
    if (slot.request_place == Place::kInFile) {
      file = mail_.memory(slot.request_at);
      begin = file->data();
    }
    std::vector<std::shared_ptr<core::SharedMemory>> attachments(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t number;
      std::memcpy(&number, begin + i * sizeof number, sizeof number);
      attachments[i] = mail_.memory(number);
    }
    core::InputArchive input(std::span(begin + count * sizeof(std::uint64_t), slot.request_bytes),
                             attachments);
    core::OutputArchive output(reply_, &blocks_);
    input_ = &input;
    output_ = &output;
    FunctionId entry;
    input(entry);
    reinterpret_cast<RemoteEntry>(resolve(entry))(*this);
  }

  ProgressCell& progress_cell() noexcept override { return slot_->progress; }
  std::stop_token stop_token() override { return stop_listener_.token_of(number_); }

  core::InputArchive& input() override { return *input_; }
  core::OutputArchive& output() override { return *output_; }
  void running() noexcept override { enter(SlotState::kRunning); }
  void encoding() noexcept override { enter(SlotState::kEncoding); }
  void enter(SlotState phase) noexcept {
    phase_ = phase;
    slot_->state.store(state_word(number_, phase), std::memory_order_release);
  }

  /// The exception that is being handled, as the cause of one that says where it was thrown.
  std::exception_ptr not_serializable() const {
    try {
      try {
        throw;
      } catch (...) {
        std::throw_with_nested(NotSerializable(phase_ == SlotState::kEncoding
                                                   ? "the result of a task cannot be encoded"
                                                   : "the arguments of a task cannot be decoded"));
      }
    } catch (...) {
      return std::current_exception();
    }
  }

  void encode_failure(const std::exception_ptr& error) {
    slot_->failed = 1;
    reply_.bytes.clear();
    // Of what was sent already, the program says when it is free.
    for (std::size_t i = attachments_sent_; i < reply_.attachments.size(); ++i)
      blocks_.put_back(*reply_.attachments[i]);
    reply_.attachments.clear();
    core::OutputArchive archive(reply_);
    save_exception(archive, error);
  }

  void send_reply(Slot& slot) {
    try {
      place_reply(slot);
    } catch (...) {
      // No descriptors or no memory for the result: that is this task's failure.
      phase_ = SlotState::kEncoding;
      encode_failure(not_serializable());
      place_reply(slot);
    }
  }

  void place_reply(Slot& slot) {
    const std::size_t bytes = reply_.bytes.size();
    for (const auto& memory : reply_.attachments) {
      send_memory(*memory);
      ++attachments_sent_;
    }
    slot.reply_attachments = static_cast<std::uint32_t>(reply_.attachments.size());
    slot.reply_bytes = bytes;
    slot.reply_at = 0;
    slot.reply_arena_end = arena_.end();
    if (bytes <= Slot::kInline) {
      slot.reply_place = Place::kInSlot;
      if (bytes != 0) std::memcpy(slot.inline_bytes, reply_.bytes.data(), bytes);
      return;
    }
    if (bytes <= Channel::kLargestInArena) {
      const std::uint64_t at = arena_.allocate(
          bytes, channel_.header().replies_released.load(std::memory_order_acquire));
      if (at != RingAllocator::kFull) {
        slot.reply_place = Place::kInArena;
        slot.reply_at = at;
        slot.reply_arena_end = arena_.end();
        std::memcpy(channel_.reply_arena() + at % Channel::kArena, reply_.bytes.data(), bytes);
        return;
      }
    }
    const auto file = core::SharedMemory::create(bytes);
    std::memcpy(file->data(), reply_.bytes.data(), bytes);
    file->freeze();
    send_memory(*file);
    slot.reply_place = Place::kInFile;
  }

  void send_memory(const core::SharedMemory& memory) {
    // A full socket empties only when the program reads it, for which it has no reason yet.
    while (!mail_.send(memory, number_)) {
      channel_.header().socket_full.store(1, std::memory_order_seq_cst);
      bell_.ring();
    }
  }

  Channel channel_;
  core::Mapping bell_mapping_;
  Bell& bell_;
  ReplyBlocks blocks_{channel_.header()};
  WorkerMail mail_;
  StopListener stop_listener_{channel_};
  RingAllocator arena_;
  core::Payload reply_;
  std::size_t attachments_sent_ = 0;  // of reply_
  Patience patience_;
  const bool may_look_ = core_words().cores() > 1;

  // The task that is served.
  Slot* slot_ = nullptr;
  std::uint64_t number_ = 0;
  SlotState phase_ = SlotState::kDecoding;
  std::uint64_t memory_limit_ = 0;
  core::InputArchive* input_ = nullptr;
  core::OutputArchive* output_ = nullptr;
};

}  // namespace

void run_worker(WorkerSeed seed) {
  become_participant(seed.participant);
  core::offer_to_memory_killer();
  Spawner::use(std::move(seed.zygote));
  try {
    Worker(std::move(seed)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mutirao: a worker ends: %s\n", error.what());
  }
  ::_exit(1);
}

}  // namespace mutirao::exec::internal
