#include "mutirao/exec/internal/worker_mail.hpp"

#include <span>

#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/internal/channel.hpp"

namespace mutirao::exec::internal {

std::shared_ptr<core::SharedMemory> WorkerMail::memory(std::uint64_t number) {
  for (;;) {
    const auto found = received_.find(number);
    if (found != received_.end()) {
      if (found->second == nullptr)
        throw core::IoError("cannot receive an argument's memory", EMFILE,
                            "raise the limit on open files (ulimit -n)");
      return found->second;
    }
    read_one(core::LocalSocket::Wait::kYes);
  }
}

void WorkerMail::read_what_is_there() {
  while (read_one(core::LocalSocket::Wait::kNo)) {
  }
}

bool WorkerMail::read_one(core::LocalSocket::Wait wait) {
  Mail mail{};
  std::optional<core::LocalSocket::Received> received;
  try {
    received = socket_.receive(std::as_writable_bytes(std::span(&mail, 1)), wait);
  } catch (const core::IoError&) {
    // The descriptor did not fit into this process; the task that needs it will say so.
    received_[mail.number] = nullptr;
    return true;
  }
  if (!received) return false;
  if (received->bytes == 0) ::_exit(0);
  if (received->bytes != sizeof mail) throw core::InternalError("unreadable mail");
  if (mail.kind == Mail::kForgetBlock) {
    blocks_.forget(mail.block);
  } else if (mail.kind == Mail::kDrop) {
    received_.erase(mail.number);
  } else if (received->fds.size() == 1) {
    received_[mail.number] = core::SharedMemory::open(std::move(received->fds[0]), mail.offset,
                                                      mail.bytes, mail.frozen != 0);
  }
  return true;
}

bool WorkerMail::send(const core::SharedMemory& memory, std::uint64_t task) {
  const Mail mail{Mail::kMemory, memory.frozen() ? 1U : 0U, task,
                  memory.size(), memory.offset(),           blocks_.id_of(memory)};
  const int fd = memory.descriptor();
  switch (socket_.send(std::as_bytes(std::span(&mail, 1)), std::span(&fd, 1),
                       core::LocalSocket::Wait::kNo)) {
    case core::LocalSocket::Sent::kYes:
      return true;
    case core::LocalSocket::Sent::kClosed:
      ::_exit(0);
    case core::LocalSocket::Sent::kFull:
      socket_.wait_writable(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace mutirao::exec::internal
