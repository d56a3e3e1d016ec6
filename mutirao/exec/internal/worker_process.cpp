#include "mutirao/exec/internal/worker_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/remote_exception.hpp"

namespace mutirao::exec::internal {
namespace {

// Tasks are handed out ahead of time: about this much work, at most so many.
constexpr double kPrefetchTicks = 50 * 16;
constexpr double kLongTaskTicks = 200 * 16;
constexpr double kMostPrefetched = 63;

}  // namespace

WorkerProcess::WorkerProcess(std::uint32_t index, std::uint64_t token,
                             CoreWords::Participant participant)
    : index_(index),
      token_(token),
      participant_(participant),
      channel_(std::make_shared<Channel>()) {
  std::tie(socket_, worker_socket_) = core::LocalSocket::pair();
}

std::size_t WorkerProcess::appetite() const noexcept {
  // Of long tasks none waits behind another: it would only have to be taken back.
  if (ticks_per_task_ == 0 || ticks_per_task_ > kLongTaskTicks) return 1;
  return 1 + static_cast<std::size_t>(
                 std::clamp(kPrefetchTicks / ticks_per_task_, 1.0, kMostPrefetched));
}

bool WorkerProcess::place(const TaskRef& reference) {
  if (in_flight() >= Channel::kSlots) return false;
  auto& task = static_cast<RemoteTask&>(*reference);
  const core::Payload& request = task.request;
  const std::size_t count = request.attachments.size();
  std::vector<std::uint64_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = number_of(request.attachments[i]);
    if (numbers[i] == 0) return false;
  }

  InFlight& entry = tasks_[tail_ % Channel::kSlots];
  Slot& slot = channel_->slot(tail_);
  const std::size_t ids = count * sizeof(std::uint64_t);
  const std::size_t bytes = ids + request.bytes.size();
  std::byte* target = slot.inline_bytes;
  slot.request_place = Place::kInSlot;
  slot.request_at = 0;
  if (bytes > Slot::kInline && bytes <= Channel::kLargestInArena) {
    const std::uint64_t at = request_arena_.allocate(bytes, requests_released_);
    if (at == RingAllocator::kFull) return false;
    target = channel_->request_arena() + at % Channel::kArena;
    slot.request_place = Place::kInArena;
    slot.request_at = at;
  } else if (bytes > Channel::kLargestInArena) {
    entry.request_file = core::SharedMemory::create(bytes);
    target = entry.request_file->data();
  }
  if (ids != 0) std::memcpy(target, numbers.data(), ids);
  if (!request.bytes.empty()) std::memcpy(target + ids, request.bytes.data(), request.bytes.size());
  if (entry.request_file) {
    entry.request_file->freeze();
    slot.request_place = Place::kInFile;
    slot.request_at = number_of(entry.request_file);
    if (slot.request_at == 0) {
      entry.request_file = nullptr;
      return false;
    }
  }
  slot.request_bytes = request.bytes.size();
  slot.request_attachments = static_cast<std::uint32_t>(count);
  slot.progress.clear();
  entry.task = reference;
  entry.request_end = request_arena_.end();
  task.worker = index_;
  task.sequence = tail_;
  slot.state.store(state_word(tail_, SlotState::kQueued), std::memory_order_seq_cst);
  ++tail_;
  channel_->wake_worker();
  return true;
}

TaskRef WorkerProcess::recall_last() {
  for (std::uint64_t number = tail_; number-- > head_;) {
    InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task) continue;
    TaskRef task = entry.task;
    if (!recall(static_cast<RemoteTask&>(*task))) return {};
    return task;
  }
  return {};
}

bool WorkerProcess::recall(RemoteTask& task) {
  std::uint64_t word = state_word(task.sequence, SlotState::kQueued);
  if (!channel_->slot(task.sequence)
           .state.compare_exchange_strong(word, state_word(task.sequence, SlotState::kRecalled)))
    return false;
  task.worker = RemoteTask::kNowhere;
  tasks_[task.sequence % Channel::kSlots].task = {};
  return true;
}

bool WorkerProcess::started(std::uint64_t number) const noexcept {
  const std::uint64_t word = channel_->slot(number).state.load(std::memory_order_acquire);
  const SlotState state = state_of(word);
  return word == state_word(number, state) && state >= SlotState::kDecoding &&
         state <= SlotState::kEncoding;
}

TaskRef WorkerProcess::take(std::uint64_t number) noexcept {
  TaskRef reference = std::move(tasks_[number % Channel::kSlots].task);
  auto& task = static_cast<RemoteTask&>(*reference);
  task.worker = RemoteTask::kNowhere;
  task.set_worker_pid(process());
  Progress progress;
  if (read_progress(task, progress)) task.progress_cell().write(progress);
  return reference;
}

TaskRef WorkerProcess::take_running() {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    if (tasks_[number % Channel::kSlots].task && started(number)) return take(number);
  }
  return {};
}

void WorkerProcess::ask_to_end(RemoteTask& task, TimePoint deadline) noexcept {
  InFlight& entry = tasks_[task.sequence % Channel::kSlots];
  entry.end_at = std::min(entry.end_at, deadline);
  channel_->header().stop_task.store(stop_mark(task.sequence), std::memory_order_seq_cst);
  core::futex_wake(channel_->header().stop_task, 1, core::FutexScope::kShared);
}

TimePoint WorkerProcess::next_deadline() const noexcept {
  TimePoint next = TimePoint::max();
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task) next = std::min(next, entry.end_at);
  }
  return next;
}

TaskRef WorkerProcess::take_overdue(TimePoint now) {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task && entry.end_at <= now) return take(number);
  }
  return {};
}

void WorkerProcess::kill() noexcept {
  condemned_ = true;
  if (pidfd_) core::send_signal(pidfd_, SIGKILL);
}

void WorkerProcess::set_pidfd(core::UniqueFd pidfd) noexcept {
  pidfd_ = std::move(pidfd);
  if (condemned_) kill();
}

bool WorkerProcess::something_done() const noexcept {
  return head_ != tail_ && channel_->slot(head_).state.load(std::memory_order_seq_cst) ==
                               state_word(head_, SlotState::kDone);
}

std::size_t WorkerProcess::drain() {
  std::size_t finished = 0;
  const std::uint64_t before = head_;
  bool files = false;
  while (something_done()) {
    InFlight& entry = tasks_[head_ % Channel::kSlots];
    const Slot& slot = channel_->slot(head_);
    files |= entry.request_file != nullptr;
    requests_released_ = entry.request_end;
    const InFlight done = std::exchange(entry, InFlight{});
    ++head_;
    if (!done.task) continue;
    auto& task = static_cast<RemoteTask&>(*done.task);
    // What the worker writes is read once, and believed only as far as it can be checked.
    const double ticks = slot.microseconds_16;
    ticks_per_task_ = ticks_per_task_ == 0 ? ticks : 0.75 * ticks_per_task_ + 0.25 * ticks;
    Progress progress;
    if (slot.progress.read(progress)) task.progress_cell().write(progress);
    task.set_worker_pid(process());
    task.worker = RemoteTask::kNowhere;
    task.request = {};
    try {
      if (collect(slot, task)) {
        core::InputArchive archive(task.reply.bytes, task.reply.attachments);
        task.fail(load_exception(archive));
      } else {
        task.finish();
      }
    } catch (...) {
      task.fail(std::current_exception());
    }
    channel_->header().replies_released.store(slot.reply_arena_end, std::memory_order_release);
    ++finished;
  }
  if (files && head_ != before) drop_released_memory();
  return finished;
}

/// The reply's bytes and memory into the task; returns whether they are an exception.
bool WorkerProcess::collect(const Slot& slot, RemoteTask& task) {
  const std::uint64_t bytes = slot.reply_bytes;
  const std::uint32_t count = slot.reply_attachments;
  for (std::uint32_t i = 0; i < count; ++i)
    task.reply.attachments.push_back(receive_memory(task.sequence));
  const std::byte* begin = nullptr;
  std::shared_ptr<core::SharedMemory> file;
  switch (slot.reply_place) {
    case Place::kInSlot:
      if (bytes <= Slot::kInline) begin = slot.inline_bytes;
      break;
    case Place::kInArena: {
      const std::uint64_t at = slot.reply_at % Channel::kArena;
      if (bytes <= Channel::kArena - at) begin = channel_->reply_arena() + at;
      break;
    }
    case Place::kInFile:
      file = receive_memory(task.sequence);
      if (bytes <= file->size()) begin = file->data();
      break;
  }
  if (begin == nullptr) throw core::InternalError("a worker's reply is unreadable");
  task.reply.bytes.assign(begin, begin + bytes);
  return slot.failed != 0;
}

std::shared_ptr<core::SharedMemory> WorkerProcess::receive_memory(std::uint64_t task) {
  for (;;) {
    Mail mail{};
    auto received =
        socket_.receive(std::as_writable_bytes(std::span(&mail, 1)), core::LocalSocket::Wait::kNo);
    if (!received || received->bytes != sizeof mail || received->fds.size() != 1)
      throw core::InternalError("memory of a task's result did not arrive");
    // What an earlier, failed attempt to reply had already sent is passed over.
    if (mail.number != task) continue;
    return core::SharedMemory::open(std::move(received->fds[0]), mail.offset, mail.bytes,
                                    mail.frozen != 0);
  }
}

std::uint64_t WorkerProcess::number_of(const std::shared_ptr<core::SharedMemory>& memory) {
  Sent& sent = sent_[memory.get()];
  // An expired entry is that of other memory, which lay at the same address.
  if (sent.number != 0 && !sent.memory.expired()) return sent.number;
  if (sent.number != 0) send_mail({Mail::kDrop, 0, sent.number, 0, 0}, -1);
  sent = {};
  const Mail mail{Mail::kMemory, memory->frozen() ? 1U : 0U, last_memory_number_ + 1,
                  memory->size(), memory->offset()};
  if (!send_mail(mail, memory->descriptor())) {
    sent_.erase(memory.get());
    return 0;
  }
  memory->mark_sent();
  sent = {memory, ++last_memory_number_};
  return sent.number;
}

bool WorkerProcess::send_mail(const Mail& mail, int fd) {
  const auto fds = fd >= 0 ? std::span<const int>(&fd, 1) : std::span<const int>();
  // An idle worker reads its mail when asked to, so waiting for it is short. A busy one does not:
  // then the task goes to the ring later, when something has come back.
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    switch (socket_.send(std::as_bytes(std::span(&mail, 1)), fds, core::LocalSocket::Wait::kNo)) {
      case core::LocalSocket::Sent::kYes:
        return true;
      case core::LocalSocket::Sent::kClosed:
        return false;
      case core::LocalSocket::Sent::kFull:
        break;
    }
    if (in_flight() != 0) return false;
    channel_->header().mail.store(1, std::memory_order_seq_cst);
    channel_->wake_worker();
    socket_.wait_writable(std::chrono::milliseconds(1));
  }
  throw core::IoError("cannot send shared memory to a worker", EMFILE,
                      "raise the limit on open files (ulimit -n)");
}

void WorkerProcess::drop_released_memory() {
  bool dropped = false;
  for (auto each = sent_.begin(); each != sent_.end();) {
    if (!each->second.memory.expired()) {
      ++each;
      continue;
    }
    const Mail mail{Mail::kDrop, 0, each->second.number, 0, 0};
    // A full socket is tried again at the next release.
    if (socket_.send(std::as_bytes(std::span(&mail, 1)), {}, core::LocalSocket::Wait::kNo) ==
        core::LocalSocket::Sent::kFull)
      break;
    each = sent_.erase(each);
    dropped = true;
  }
  if (!dropped) return;
  channel_->header().mail.store(1, std::memory_order_seq_cst);
  channel_->wake_worker();
}

bool WorkerProcess::read_progress(const RemoteTask& task, Progress& progress) const noexcept {
  return channel_->slot(task.sequence).progress.read(progress);
}

pid_t WorkerProcess::process_running(const RemoteTask& task) const noexcept {
  const std::uint64_t word = channel_->slot(task.sequence).state.load(std::memory_order_acquire);
  return state_of(word) >= SlotState::kDecoding ? process() : 0;
}

void WorkerProcess::ask_to_stop() noexcept {
  channel_->header().stop.store(1, std::memory_order_seq_cst);
  channel_->wake_worker();
}

WorkerProcess::Estate WorkerProcess::settle() {
  drain();
  Estate estate;
  for (std::uint64_t number = head_; number < tail_; ++number) {
    InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task) continue;
    static_cast<RemoteTask&>(*entry.task).worker = RemoteTask::kNowhere;
    const SlotState state = state_of(channel_->slot(number).state.load(std::memory_order_acquire));
    if (started(number) && !estate.crashed) {
      estate.phase = state == SlotState::kDecoding   ? TaskPhase::kDecoding
                     : state == SlotState::kEncoding ? TaskPhase::kEncoding
                                                     : TaskPhase::kRunning;
      estate.crashed = take(number);
    } else {
      estate.not_started.push_back(std::move(entry.task));
    }
    entry = {};
  }
  head_ = tail_;
  return estate;
}

}  // namespace mutirao::exec::internal
