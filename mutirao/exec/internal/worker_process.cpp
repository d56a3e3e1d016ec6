#include "mutirao/exec/internal/worker_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/remote_exception.hpp"
#include "mutirao/exec/internal/trace_log.hpp"

namespace mutirao::exec::internal {
namespace {

// Tasks are handed out ahead of time: about this much work, at most so many.
constexpr double kPrefetchTicks = 50 * 16;
constexpr double kLongTaskTicks = 200 * 16;
constexpr double kMostPrefetched = 63;
// How often the memory of a task with a limit is looked at.
constexpr auto kMemoryPoll = std::chrono::milliseconds(10);

/// A worker does not know the name of what it runs.
std::exception_ptr named(const std::exception_ptr& error, const TaskOptions& options) {
  if (options.name.empty() || options.resources.memory_bytes == 0) return error;
  try {
    std::rethrow_exception(error);
  } catch (const MemoryLimitExceeded& exceeded) {
    MemoryLimitExceeded::Details details = exceeded.details();
    if (details.task.empty()) details.task = options.name;
    return std::make_exception_ptr(MemoryLimitExceeded(std::move(details)));
  } catch (...) {
    return error;
  }
}

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
  slot.memory_limit = task.options().resources.memory_bytes;
  slot.cores = static_cast<std::uint32_t>(task.options().resources.cores);
  slot.progress.clear();
  const Resources& resources = task.options().resources;
  exclusive_ =
      resources.cores > 1 || resources.memory_bytes != 0 || reference.get() == initializer_.get();
  try {
    if (memory_group_) memory_group_->limit(resources.memory_bytes);
  } catch (const core::Error&) {
    memory_group_.reset();
  }
  entry.task = reference;
  entry.request_end = request_arena_.end();
  task.worker = index_;
  task.sequence = tail_;
  slot.state.store(state_word(tail_, SlotState::kQueued), std::memory_order_seq_cst);
  ++tail_;
  if (reference.get() != initializer_.get()) ++placed_;
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

int WorkerProcess::last_priority() const noexcept {
  for (std::uint64_t number = tail_; number-- > head_;) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task) return entry.task->options().priority;
  }
  return std::numeric_limits<int>::max();
}

bool WorkerProcess::recall(RemoteTask& task) {
  std::uint64_t word = state_word(task.sequence, SlotState::kQueued);
  if (!channel_->slot(task.sequence)
           .state.compare_exchange_strong(word, state_word(task.sequence, SlotState::kRecalled)))
    return false;
  if (&task != initializer_.get()) --placed_;
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

TimePoint WorkerProcess::began(std::uint64_t number) const noexcept {
  return TimePoint(
      TimePoint::duration(channel_->slot(number).began_at.load(std::memory_order_relaxed)));
}

TaskRef WorkerProcess::take(std::uint64_t number) noexcept {
  // Until its process is gone it keeps what it had.
  kept_cores_ = booked_cores();
  TaskRef reference = std::move(tasks_[number % Channel::kSlots].task);
  auto& task = static_cast<RemoteTask&>(*reference);
  const auto& given = task.request.attachments;
  kept_memory_.insert(kept_memory_.end(), given.begin(), given.end());
  task.began = began(number);
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

// Note [When a deadline is looked at]
// A timeout counts from the moment the worker begins the task, which the worker writes into the
// slot without telling anybody. A task not begun by now cannot be overdue before now + timeout, so
// looking then at the latest is always in time; by then the slot says when it began. Who finds that
// it looks far too late was stopped, perhaps with all its workers. Then nobody knows how long a
// task has run, and the time of those that have not ended begins again, as StoppedTime says.
TimePoint WorkerProcess::deadline_of(std::uint64_t number, TimePoint now) const noexcept {
  const InFlight& entry = tasks_[number % Channel::kSlots];
  const std::chrono::nanoseconds timeout = entry.task->options().timeout;
  if (timeout.count() == 0) return entry.end_at;
  const TimePoint begin = started(number) ? std::max(began(number), entry.time_counts_from) : now;
  return std::min(entry.end_at, later(begin, timeout));
}

void WorkerProcess::begin_time_again(TimePoint now, std::chrono::nanoseconds late) noexcept {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task && started(number) && entry.stopped_time.begins_anew(late))
      entry.time_counts_from = now;
  }
}

TimePoint WorkerProcess::next_deadline(TimePoint now) const noexcept {
  TimePoint next = kill_at_;
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task || !entry.task->has_options()) {
      if (entry.task) next = std::min(next, entry.end_at);
      continue;
    }
    next = std::min(next, deadline_of(number, now));
    if (entry.task->options().resources.memory_bytes != 0 && !memory_group_)
      next = std::min(next, now + kMemoryPoll);
  }
  return next;
}

bool WorkerProcess::has_overdue(TimePoint now) const noexcept {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task) continue;
    if (entry.end_at <= now) return true;
    if (!entry.task->has_options()) continue;
    if (deadline_of(number, now) <= now) return true;
    const std::uint64_t limit = entry.task->options().resources.memory_bytes;
    // In a control group the kernel sees to it.
    if (limit != 0 && !memory_group_ && started(number) && memory_in_use(limit) > limit)
      return true;
  }
  return false;
}

WorkerProcess::Overdue WorkerProcess::take_overdue(TimePoint now) {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task) continue;
    if (entry.end_at <= now) return {take(number), Overdue::kCancelled, 0};
    if (!entry.task->has_options()) continue;
    if (deadline_of(number, now) <= now) return {take(number), Overdue::kTimeout, 0};
    const std::uint64_t limit = entry.task->options().resources.memory_bytes;
    // In a control group the kernel sees to it.
    if (limit == 0 || memory_group_ || !started(number)) continue;
    const std::uint64_t used = memory_in_use(limit);
    if (used > limit) return {take(number), Overdue::kMemory, used};
  }
  return {};
}

std::uint64_t WorkerProcess::memory_in_use(std::uint64_t limit) const noexcept {
  const std::uint64_t shared = channel_->header().shared_bytes.load(std::memory_order_relaxed);
  return shared + core::private_memory_below(process(), limit > shared ? limit - shared : 0);
}

std::size_t WorkerProcess::booked_cores() const noexcept {
  std::size_t most = in_flight() != 0 ? 1 : 0;
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task) most = std::max(most, entry.task->options().resources.cores);
  }
  return std::max(most, kept_cores_);
}

void WorkerProcess::kill() noexcept {
  condemned_ = true;
  kill_at_ = TimePoint::max();
  if (pidfd_) core::send_signal(pidfd_, SIGKILL);
}

void WorkerProcess::terminate(TimePoint kill_at) noexcept {
  condemned_ = true;
  kill_at_ = kill_at;
  if (pidfd_) core::send_signal(pidfd_, SIGTERM);
}

void WorkerProcess::kill_if_due(TimePoint now) noexcept {
  if (kill_at_ <= now) kill();
}

void WorkerProcess::set_pidfd(pid_t process, core::UniqueFd pidfd) noexcept {
  pidfd_ = std::move(pidfd);
  try {
    if (memory_group_) memory_group_->add(process);
  } catch (const core::Error&) {
    // Its memory is still looked at from time to time.
    memory_group_.reset();
  }
  if (condemned_) kill();
}

bool WorkerProcess::something_done() const noexcept {
  return head_ != tail_ && channel_->slot(head_).state.load(std::memory_order_seq_cst) ==
                               state_word(head_, SlotState::kDone);
}

std::size_t WorkerProcess::drain(std::vector<Failed>& failed) {
  if (channel_->header().socket_full.load(std::memory_order_acquire) != 0) {
    channel_->header().socket_full.store(0, std::memory_order_seq_cst);
    while (std::optional<Received> each = read_mail()) inbox_.push_back(std::move(*each));
  }
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
    std::exception_ptr error;
    try {
      if (collect(slot, task)) {
        core::InputArchive archive(task.reply.bytes, task.reply.attachments);
        error = named(load_exception(archive), task.options());
      }
    } catch (...) {
      error = std::current_exception();
    }
    if (tracing()) {
      using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 16'000'000>>;
      const TimePoint begin = began(head_ - 1);
      trace_attempt(task, begin,
                    begin + std::chrono::duration_cast<TimePoint::duration>(
                                Ticks(static_cast<std::int64_t>(ticks))),
                    process(), error ? "failed" : "ok");
    }
    if (error && task.may_be_tried_again()) {
      task.reply = {};
      failed.push_back({done.task, error});
    } else {
      task.request = {};
      const bool counts = done.task.get() != initializer_.get();
      if (counts) ++outcomes_.done;
      if (error) {
        if (counts) ++outcomes_.failed;
        task.fail(error);
      } else {
        task.finish();
      }
    }
    channel_->header().replies_released.store(slot.reply_arena_end, std::memory_order_release);
    ++finished;
  }
  if (head_ == tail_) exclusive_ = false;
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

std::optional<WorkerProcess::Received> WorkerProcess::read_mail() {
  Received each;
  try {
    auto received = socket_.receive(std::as_writable_bytes(std::span(&each.mail, 1)),
                                    core::LocalSocket::Wait::kNo);
    if (!received || received->bytes == 0) return std::nullopt;
    if (received->bytes != sizeof each.mail || received->fds.size() != 1)
      throw core::InternalError("memory of a task's result did not arrive");
    if (each.mail.block) {
      received_blocks_ = true;
      each.memory = blocks_.receive(channel_, each.mail, std::move(received->fds[0]));
    } else {
      each.memory = core::SharedMemory::open(std::move(received->fds[0]), each.mail.offset,
                                             each.mail.bytes, each.mail.frozen != 0);
    }
  } catch (...) {
    // Too many open files, for example: the message itself has been read all the same.
    if (each.mail.bytes == 0) return std::nullopt;
    MappedBlocks::release(*channel_, each.mail.block);
    each.error = std::current_exception();
  }
  return each;
}

std::shared_ptr<core::SharedMemory> WorkerProcess::receive_memory(std::uint64_t task) {
  for (;;) {
    std::optional<Received> each;
    if (inbox_.empty()) {
      each = read_mail();
    } else {
      each = std::move(inbox_.front());
      inbox_.pop_front();
    }
    if (!each) throw core::InternalError("memory of a task's result did not arrive");
    // What an earlier, failed attempt to reply had already sent is passed over.
    if (each->mail.number != task) continue;
    if (each->error) std::rethrow_exception(each->error);
    return std::move(each->memory);
  }
}

bool WorkerProcess::age_blocks() {
  bool left = false;
  const std::vector<BlockId> dropped = blocks_.age(left);
  for (const BlockId id : dropped) {
    const Mail mail{Mail::kForgetBlock, 0, 0, 0, 0, id};
    // A worker that is too busy for it has use for its block.
    socket_.send(std::as_bytes(std::span(&mail, 1)), {}, core::LocalSocket::Wait::kNo);
  }
  if (!dropped.empty()) {
    channel_->header().mail.store(1, std::memory_order_seq_cst);
    channel_->wake_worker();
  }
  return left;
}

std::uint64_t WorkerProcess::number_of(const std::shared_ptr<core::SharedMemory>& memory) {
  Sent& sent = sent_[memory.get()];
  // An expired entry is that of other memory, which lay at the same address.
  if (sent.number != 0 && !sent.memory.expired()) return sent.number;
  if (sent.number != 0) send_mail({Mail::kDrop, 0, sent.number, 0, 0, {}}, -1);
  sent = {};
  const Mail mail{Mail::kMemory,  memory->frozen() ? 1U : 0U, last_memory_number_ + 1,
                  memory->size(), memory->offset(),           {}};
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
    const Mail mail{Mail::kDrop, 0, each->second.number, 0, 0, {}};
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

std::size_t WorkerProcess::running() const noexcept {
  std::size_t count = 0;
  for (std::uint64_t number = head_; number < tail_; ++number) {
    if (tasks_[number % Channel::kSlots].task && started(number)) ++count;
  }
  return count;
}

std::size_t WorkerProcess::held() const noexcept {
  std::size_t count = 0;
  for (std::uint64_t number = head_; number < tail_; ++number) {
    if (tasks_[number % Channel::kSlots].task) ++count;
  }
  return count;
}

void WorkerProcess::ask_running_to_end() noexcept {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (!entry.task || !started(number)) continue;
    entry.task->add(Task::kStopRequested);
    ask_to_end(static_cast<RemoteTask&>(*entry.task), TimePoint::max());
  }
}

std::uint64_t WorkerProcess::first_watched() const noexcept {
  for (std::uint64_t number = head_; number < tail_; ++number) {
    const InFlight& entry = tasks_[number % Channel::kSlots];
    if (entry.task && (entry.task->status() & Task::kWatched) != 0) return number + 1;
  }
  return std::numeric_limits<std::uint64_t>::max();
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
  Estate estate;
  drain(estate.failed);
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
