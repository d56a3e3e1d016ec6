#include "mutirao/comm/internal/mpi_link.hpp"

#ifdef MUTIRAO_HAVE_MPI

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include <mpi.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/comm/error.hpp"
#include "mutirao/comm/internal/rendezvous.hpp"
#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::comm::internal {
namespace {

/// One call at a time, so that MPI_THREAD_SERIALIZED is enough.
std::mutex& mpi_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::atomic<bool> abandoned{false};

void check(int result, const char* what) {
  if (result == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(result, text, &length);
  throw core::IoError(fmt::format("MPI cannot {}: {}", what, text), EIO);
}

void finalize() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized && !abandoned) MPI_Finalize();
}

void start_mpi() {
  int initialized = 0;
  MPI_Initialized(&initialized);
  int provided = MPI_THREAD_SINGLE;
  if (initialized) {
    MPI_Query_thread(&provided);
  } else {
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    std::atexit(finalize);
  }
  if (provided < MPI_THREAD_SERIALIZED)
    throw core::Unsupported("MPI allows calls from one thread only",
                            "start it with MPI_Init_thread(MPI_THREAD_SERIALIZED) or more");
}

class MpiTransfer : public Link::Transfer {
 public:
  MpiTransfer() = default;
  MpiTransfer(const MpiTransfer&) = delete;
  MpiTransfer& operator=(const MpiTransfer&) = delete;
  ~MpiTransfer() override {
    if (request_ == MPI_REQUEST_NULL) return;
    const std::lock_guard lock(mpi_mutex());
    MPI_Cancel(&request_);
    MPI_Request_free(&request_);
  }
  bool done() override {
    const std::lock_guard lock(mpi_mutex());
    int flag = 0;
    check(MPI_Test(&request_, &flag, MPI_STATUS_IGNORE), "move a message");
    return flag != 0;
  }
  MPI_Request* request() { return &request_; }

 private:
  MPI_Request request_ = MPI_REQUEST_NULL;
};

class MpiLink : public Link {
 public:
  MpiLink() {
    check(MPI_Comm_dup(MPI_COMM_WORLD, &communicator_), "make a communicator");
    MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
  }
  ~MpiLink() override {
    // MPI_Comm_free is collective, and others may be gone.
  }

  std::unique_ptr<Transfer> send(const std::byte* data, std::size_t bytes, int to,
                                 int tag) override {
    auto transfer = std::make_unique<MpiTransfer>();
    const std::lock_guard lock(mpi_mutex());
    check(MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, to, tag, communicator_,
                    transfer->request()),
          "send a message");
    return transfer;
  }
  std::unique_ptr<Transfer> receive(std::byte* data, std::size_t bytes, int from,
                                    int tag) override {
    auto transfer = std::make_unique<MpiTransfer>();
    const std::lock_guard lock(mpi_mutex());
    check(MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, from, tag, communicator_,
                    transfer->request()),
          "receive a message");
    return transfer;
  }
  const std::vector<std::vector<int>>& boxes() const override { return boxes_; }

  std::string agree_on_token() {
    char token[64] = {};
    const auto text = fmt::format("{} {}", ::getpid(),
                                  std::chrono::steady_clock::now().time_since_epoch().count());
    text.copy(token, sizeof token - 1);
    check(MPI_Bcast(token, sizeof token, MPI_CHAR, 0, communicator_), "broadcast");
    return token;
  }

  /// Rounds: in each, the lowest rank without a box opens one, and those that reach its socket
  /// join. Ranks of one key (same machine start, same word) try each other.
  void find_boxes(int rank, int size, const std::string& box, const std::string& token) {
    char key[160] = {};
    (core::boot_id() + ' ' + box).copy(key, sizeof key - 1);
    std::vector<char> keys(sizeof key * static_cast<std::size_t>(size));
    check(
        MPI_Allgather(key, sizeof key, MPI_CHAR, keys.data(), sizeof key, MPI_CHAR, communicator_),
        "gather");
    const auto key_of = [&](int of) {
      return std::string(keys.data() + sizeof key * static_cast<std::size_t>(of));
    };
    std::vector<int> box_of(static_cast<std::size_t>(size), -1);  // its first rank
    const auto host_for = [&](int of) {
      for (int each = 0; each < of; ++each) {
        if (box_of[static_cast<std::size_t>(each)] < 0 && key_of(each) == key_of(of)) return each;
      }
      return of;
    };
    while (std::count(box_of.begin(), box_of.end(), -1) > 0) {
      const bool waits = box_of[static_cast<std::size_t>(rank)] < 0;
      const int host = waits ? host_for(rank) : -1;
      const auto name_of = [&](int of) { return socket_name(fmt::format("{} box {}", token, of)); };
      std::optional<core::LocalListener> listener;
      if (host == rank) listener = core::LocalListener::listen(name_of(rank));
      check(MPI_Barrier(communicator_), "meet");
      int found = waits && host == rank ? rank : -1;
      if (waits && host != rank) {
        const auto socket = core::LocalSocket::connect(name_of(host));
        if (socket && socket->peer().user == ::geteuid()) found = host;
      }
      std::vector<int> all(static_cast<std::size_t>(size));
      check(MPI_Allgather(&found, 1, MPI_INT, all.data(), 1, MPI_INT, communicator_), "gather");
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] >= 0) box_of[i] = all[i];
      }
    }
    for (int first = 0; first < size; ++first) {
      std::vector<int> members;
      for (int each = 0; each < size; ++each) {
        if (box_of[static_cast<std::size_t>(each)] == first) members.push_back(each);
      }
      if (!members.empty()) boxes_.push_back(std::move(members));
    }
  }

 private:
  MPI_Comm communicator_ = MPI_COMM_NULL;
  std::vector<std::vector<int>> boxes_;
};

}  // namespace

MpiWorld connect_mpi(const World& world, const std::string& box) {
  const std::lock_guard lock(mpi_mutex());
  start_mpi();
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (rank != world.rank || size != world.size)
    throw RendezvousFailed(fmt::format("MPI says that this is rank {} of {}, {} says rank {} of {}",
                                       rank, size, world.source, world.rank, world.size),
                           "start the program with mpirun or srun");
  auto link = std::make_unique<MpiLink>();
  MpiWorld found;
  found.token = link->agree_on_token();
  link->find_boxes(rank, size, box, found.token);
  found.link = std::move(link);
  return found;
}

void abandon_mpi() noexcept { abandoned = true; }

}  // namespace mutirao::comm::internal

#else

#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {

MpiWorld connect_mpi(const World&, const std::string&) {
  throw core::Unsupported("this build has no MPI",
                          "install Open MPI (Debian: libopenmpi-dev) and configure again");
}

void abandon_mpi() noexcept {}

}  // namespace mutirao::comm::internal

#endif
