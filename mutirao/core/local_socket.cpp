#include "mutirao/core/local_socket.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {
namespace {

constexpr std::size_t kMostFds = 8;

/// An address whose first byte is 0 names no file.
std::pair<sockaddr_un, socklen_t> address_of(std::string_view name) {
  sockaddr_un address{};
  if (name.empty() || name.size() >= sizeof address.sun_path)
    throw InternalError("the name of a local socket is too long");
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())};
}

UniqueFd new_socket(int flags) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!fd)
    throw IoError("cannot create a socket", errno, "raise the limit on open files (ulimit -n)");
  return fd;
}

}  // namespace

std::pair<LocalSocket, LocalSocket> LocalSocket::pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    throw IoError("cannot create a pair of sockets", errno,
                  "raise the limit on open files (ulimit -n)");
  return {LocalSocket(UniqueFd(fds[0])), LocalSocket(UniqueFd(fds[1]))};
}

std::optional<LocalSocket> LocalSocket::connect(std::string_view name) {
  const auto [address, size] = address_of(name);
  UniqueFd fd = new_socket(0);
  int result;
  do {
    result = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return LocalSocket(std::move(fd));
  // EAGAIN: so many connect at once that the listener has not come to them yet.
  if (errno == ECONNREFUSED || errno == EAGAIN) return std::nullopt;
  throw IoError("cannot connect to another process of this machine", errno);
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

void LocalSocket::hang_up() noexcept {
  if (fd_) ::shutdown(fd_.get(), SHUT_RDWR);
  fd_.reset();
}

LocalSocket::Peer LocalSocket::peer() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    throw IoError("cannot tell who is at the other end of a socket", errno);
  return {credentials.pid, credentials.uid};
}

std::optional<LocalListener> LocalListener::listen(std::string_view name) {
  const auto [address, size] = address_of(name);
  UniqueFd fd = new_socket(SOCK_NONBLOCK);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    if (errno == EADDRINUSE) return std::nullopt;
    throw IoError("cannot listen on a socket of this machine", errno);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0)
    throw IoError("cannot listen on a socket of this machine", errno);
  return LocalListener(std::move(fd));
}

std::optional<LocalSocket> LocalListener::accept() const {
  int fd;
  do {
    fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd >= 0) return LocalSocket(UniqueFd(fd));
  if (errno == EAGAIN || errno == ECONNABORTED) return std::nullopt;
  throw IoError("cannot take a connection", errno, "raise the limit on open files (ulimit -n)");
}

std::vector<bool> wait_readable(std::span<const int> fds, std::chrono::milliseconds at_most) {
  std::vector<pollfd> entries;
  entries.reserve(fds.size());
  for (const int fd : fds) entries.push_back({fd, POLLIN, 0});
  const int timeout = at_most.count() > 0 ? static_cast<int>(at_most.count()) : 0;
  if (::poll(entries.data(), entries.size(), timeout) < 0 && errno != EINTR)
    throw IoError("cannot wait for other processes", errno);
  std::vector<bool> readable;
  readable.reserve(fds.size());
  for (const pollfd& entry : entries) readable.push_back(entry.revents != 0);
  return readable;
}

}  // namespace mutirao::core
