#include "mutirao/core/local_socket.hpp"

#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {
namespace {

constexpr std::size_t kMostFds = 8;

}  // namespace

std::pair<LocalSocket, LocalSocket> LocalSocket::pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    throw IoError("cannot create a pair of sockets", errno,
                  "raise the limit on open files (ulimit -n)");
  return {LocalSocket(UniqueFd(fds[0])), LocalSocket(UniqueFd(fds[1]))};
}

LocalSocket::Sent LocalSocket::send(std::span<const std::byte> message, std::span<const int> fds,
                                    Wait wait) const {
  if (fds.size() > kMostFds) throw InternalError("too many descriptors in one message");
  iovec part{const_cast<std::byte*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(first), fds.data(), fds.size_bytes());
  }
  for (;;) {
    const int flags = MSG_NOSIGNAL | (wait == Wait::kNo ? MSG_DONTWAIT : 0);
    if (::sendmsg(fd_.get(), &header, flags) >= 0) return Sent::kYes;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: as many descriptors are in flight as this user may have.
    if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS) return Sent::kFull;
    if (errno == EPIPE || errno == ECONNRESET) return Sent::kClosed;
    throw IoError("cannot send to another process", errno);
  }
}

std::optional<LocalSocket::Received> LocalSocket::receive(std::span<std::byte> buffer,
                                                          Wait wait) const {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t bytes;
  do {
    bytes =
        ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC | (wait == Wait::kNo ? MSG_DONTWAIT : 0));
  } while (bytes < 0 && errno == EINTR);
  if (bytes < 0) {
    if (errno == EAGAIN) return std::nullopt;
    if (errno == ECONNRESET) return Received{};
    throw IoError("cannot receive from another process", errno);
  }
  Received received;
  received.bytes = static_cast<std::size_t>(bytes);
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  // The kernel drops descriptors that do not fit into the table of this process without an error.
  if (header.msg_flags & MSG_CTRUNC)
    throw IoError("cannot receive a descriptor from another process", EMFILE,
                  "raise the limit on open files (ulimit -n)");
  if (header.msg_flags & MSG_TRUNC) throw InternalError("a message between processes is too long");
  return received;
}

void LocalSocket::wait_writable(std::chrono::milliseconds at_most) const {
  pollfd entry{fd_.get(), POLLOUT, 0};
  ::poll(&entry, 1, static_cast<int>(at_most.count()));
}

}  // namespace mutirao::core
