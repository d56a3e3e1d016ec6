#include "mutirao/comm/internal/mpi_link.hpp"

#ifdef MUTIRAO_HAVE_MPI

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <utility>

#include <mpi.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/comm/error.hpp"
#include "mutirao/comm/internal/boxes.hpp"

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
  /// At the end of the program MPI is not shut down properly: ranks that are dead would hang it.
  void abandon() noexcept override { abandoned = true; }

  std::string agree_on_token() {
    char token[64] = {};
    const auto text = fmt::format("{} {}", ::getpid(),
                                  std::chrono::steady_clock::now().time_since_epoch().count());
    text.copy(token, sizeof token - 1);
    check(MPI_Bcast(token, sizeof token, MPI_CHAR, 0, communicator_), "broadcast");
    return token;
  }

  void find_boxes(int rank, int size, const std::string& box, const std::string& token) {
    boxes_ = internal::find_boxes(rank, size, box, token, [&](const std::string& word) {
      std::array<char, kBoxWord> mine{};
      word.copy(mine.data(), mine.size() - 1);
      std::vector<std::array<char, kBoxWord>> all(static_cast<std::size_t>(size));
      check(MPI_Allgather(mine.data(), kBoxWord, MPI_CHAR, all.data(), kBoxWord, MPI_CHAR,
                          communicator_),
            "gather");
      std::vector<std::string> words;
      words.reserve(all.size());
      for (const auto& each : all) words.emplace_back(each.data());
      return words;
    });
  }

 private:
  MPI_Comm communicator_ = MPI_COMM_NULL;
  std::vector<std::vector<int>> boxes_;
};

}  // namespace

LinkedWorld connect_mpi(const World& world, const std::string& box) {
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
  LinkedWorld found;
  found.token = link->agree_on_token();
  link->find_boxes(rank, size, box, found.token);
  found.link = std::move(link);
  return found;
}

bool has_mpi() noexcept { return true; }

}  // namespace mutirao::comm::internal

#else

#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {

LinkedWorld connect_mpi(const World&, const std::string&) {
  throw core::Unsupported("this build has no MPI",
                          "install Open MPI (Debian: libopenmpi-dev) and configure again");
}

bool has_mpi() noexcept { return false; }

}  // namespace mutirao::comm::internal

#endif
