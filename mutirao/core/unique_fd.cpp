#include "mutirao/core/unique_fd.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {

void UniqueFd::reset() noexcept {
  // close() releases the descriptor even when it reports EINTR, so it is never repeated.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

UniqueFd UniqueFd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw IoError("cannot duplicate a file descriptor", errno);
  return UniqueFd(copy);
}

}  // namespace mutirao::core
