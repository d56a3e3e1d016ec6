#pragma once

// Ranks of one program that compute together.
//
// Purpose: collectives and messages between processes that were started together, on one machine or
// several, on the host or on GPUs; the program is the same for all.
// Requires: every rank calls the same collectives, on the same sizes, in the same order.
// Guarantees: results have the same bytes on all ranks, run after run. What all ranks share has no
// name in any file system, so nothing is left behind whoever dies. One thread per group watches the
// other ranks; it needs no core of its own.
// Thread safety: one rank's calls may come from any thread, one at a time; waits may run beside
// them. Ordering: what a rank wrote before a call, every rank sees after that collective's Work is
// done. Failure: a rank that died or stopped is named on all others within 5 seconds; one that
// lives but does not come, after collective_timeout; a different collective at once. All throw
// GroupFailed, and so does every later call: the group is dead. Lifetime: the destructor leaves the
// group. Others may still need nothing but what this rank has come to already; a collective that it
// has not come to fails on them.
//
//   comm::Communicator ranks;                       // from mutirao launch, mpirun, srun, torchrun
//   comm::Buffer gradients = ranks.allocate(404'440);
//   auto part = gradients.part<float>(101'110);
//   comm::Work work = ranks.all_reduce(part, comm::Reduction::kMean);   // in place, no copies
//   work.wait();
//   std::vector<float> loss(1, 0.5F);
//   ranks.all_reduce(std::span(loss), comm::Reduction::kMean).wait();   // copied in and out

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mutirao/comm/buffer.hpp"
#include "mutirao/comm/data_type.hpp"
#include "mutirao/comm/error.hpp"
#include "mutirao/comm/work.hpp"
#include "mutirao/comm/world.hpp"

namespace mutirao::comm {

namespace internal {
class Group;
}

enum class Backend {
  kAutomatic,  ///< nccl when a device is given; shm when all ranks are on one box; otherwise mpi
               ///< under mpirun and srun, else tcp
  kShm,        ///< memory that the ranks of one box share
  kMpi,        ///< Open MPI between boxes, shared memory inside each
  kTcp,        ///< TCP between boxes, shared memory inside each
  kNccl        ///< NVIDIA GPUs, one per rank
};

std::string_view name_of(Backend backend) noexcept;  ///< "shm"

struct CommunicatorOptions {
  /// Who this process is; find_world() unless given.
  std::optional<World> world;
  /// MUTIRAO_COMM_BACKEND (shm, mpi, tcp, nccl) stands for kAutomatic.
  Backend backend = Backend::kAutomatic;
  /// The number of this rank's GPU: buffers are on it, and NCCL reduces them.
  std::optional<int> device;
  /// A cudaStream_t: collectives on Buffers wait for what was queued on it before the call, and
  /// what is queued after Work::wait() waits for them. Null: the legacy default stream.
  void* device_stream = nullptr;
  /// How long ranks wait for each other at the start.
  std::chrono::milliseconds rendezvous_timeout = std::chrono::seconds(60);
  /// How long a rank waits in a collective for one that is alive.
  std::chrono::milliseconds collective_timeout = std::chrono::minutes(5);
  /// How long a rank may show no sign of life before it counts as stopped.
  std::chrono::milliseconds silence_timeout = std::chrono::milliseconds(3500);
  /// Memory per rank through which spans travel, in bytes; rounded up to 4 KiB.
  std::size_t staging_bytes = 2 << 20;
  /// Ranks that give different words are never on one box; MUTIRAO_COMM_BOX stands for an empty
  /// one. For trying several boxes on one machine.
  std::string box;
};

class Communicator {
 public:
  /// Meets the other ranks. Collective. Throws RendezvousFailed, InvalidArgument, Unsupported.
  explicit Communicator(const CommunicatorOptions& options = {});
  ~Communicator();
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;

  int rank() const noexcept { return world_.rank; }
  int size() const noexcept { return world_.size; }
  /// Among the ranks of this box, as the rendezvous found it.
  int local_rank() const;
  int local_size() const;
  Backend backend() const noexcept { return backend_; }
  const World& world() const noexcept { return world_; }
  /// For people: "shm, 2 ranks on 1 box (chosen: all ranks are on this machine)".
  std::string description() const;

  /// The number of the GPU that Buffers are on; nothing when they are on the host.
  std::optional<int> device() const;
  /// CommunicatorOptions::device_stream, from now on: a cudaStream_t of that GPU. Without a GPU it
  /// does nothing.
  void set_device_stream(void* stream);
  void* device_stream() const;

  /// Memory of `bytes` bytes per rank that all ranks of the box map. Collective; blocks. Throws
  /// IoError on every rank when one has no memory for it.
  Buffer allocate(std::size_t bytes);

  // In place, nothing is copied. For all_gather and reduce_scatter the part has size() blocks of
  // equal size: rank r brings, or gets, block r; other blocks of reduce_scatter stay as they were.
  // reduce changes the root's part only.
  Work all_reduce(const BufferPart& part, Reduction reduction = Reduction::kSum);
  Work reduce(const BufferPart& part, int root, Reduction reduction = Reduction::kSum);
  Work broadcast(const BufferPart& part, int root);
  Work all_gather(const BufferPart& part);
  Work reduce_scatter(const BufferPart& part, Reduction reduction = Reduction::kSum);
  /// Waits for nothing but everybody.
  Work barrier();

  // Memory of any kind: copied in by the call, copied out by wait() or done(). A large one waits
  // for the others already in the call, after the first MiB or so (half of staging_bytes).
  template <Element T>
  Work all_reduce(std::span<T> values, Reduction reduction = Reduction::kSum) {
    return all_reduce(values.data(), data_type_of<T>(), values.size(), reduction);
  }
  template <Element T>
  Work reduce(std::span<T> values, int root, Reduction reduction = Reduction::kSum) {
    return reduce(values.data(), data_type_of<T>(), values.size(), root, reduction);
  }
  template <Element T>
  Work broadcast(std::span<T> values, int root) {
    return broadcast(values.data(), data_type_of<T>(), values.size(), root);
  }
  /// `all`: size() blocks as large as `mine`.
  template <Element T>
  Work all_gather(std::span<const T> mine, std::span<T> all) {
    return all_gather(mine.data(), mine.size(), all.data(), all.size(), data_type_of<T>());
  }
  /// `all`: size() blocks as large as `mine`.
  template <Element T>
  Work reduce_scatter(std::span<const T> all, std::span<T> mine,
                      Reduction reduction = Reduction::kSum) {
    return reduce_scatter(all.data(), all.size(), mine.data(), mine.size(), data_type_of<T>(),
                          reduction);
  }
  /// Messages of a pair of ranks arrive in the order in which they were sent. `values` must stay
  /// until the Work is done.
  template <Element T>
  Work send(std::span<const T> values, int to) {
    return send(values.data(), data_type_of<T>(), values.size(), to);
  }
  template <Element T>
  Work recv(std::span<T> values, int from) {
    return recv(values.data(), data_type_of<T>(), values.size(), from);
  }

  // The same where the type is known only at run time.
  Work all_reduce(void* values, DataType type, std::size_t count, Reduction reduction);
  Work reduce(void* values, DataType type, std::size_t count, int root, Reduction reduction);
  Work broadcast(void* values, DataType type, std::size_t count, int root);
  Work all_gather(const void* mine, std::size_t count, void* all, std::size_t all_count,
                  DataType type);
  Work reduce_scatter(const void* all, std::size_t all_count, void* mine, std::size_t count,
                      DataType type, Reduction reduction);
  Work send(const void* values, DataType type, std::size_t count, int to);
  Work recv(void* values, DataType type, std::size_t count, int from);

 private:
  World world_;
  Backend backend_ = Backend::kShm;
  std::string why_;                   // this backend
  std::shared_ptr<void> membership_;  // destroyed after group_
  std::shared_ptr<internal::Group> group_;
};

}  // namespace mutirao::comm
