#include "mutirao/comm/internal/nccl_group.hpp"

#ifdef MUTIRAO_HAVE_NCCL

#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {
namespace {

/// The functions that are called, by their own names. Loaded once, never unloaded.
struct Library {
  decltype(&::ncclGetUniqueId) get_unique_id;
  decltype(&::ncclCommInitRank) comm_init_rank;
  decltype(&::ncclCommDestroy) comm_destroy;
  decltype(&::ncclCommAbort) comm_abort;
  decltype(&::ncclCommGetAsyncError) comm_get_async_error;
  decltype(&::ncclGetErrorString) get_error_string;
  decltype(&::ncclAllReduce) all_reduce;
  decltype(&::ncclReduce) reduce;
  decltype(&::ncclBroadcast) broadcast;
  decltype(&::ncclAllGather) all_gather;
  decltype(&::ncclReduceScatter) reduce_scatter;

  cudaError_t (*get_device)(int*);
  cudaError_t (*set_device)(int);
  cudaError_t (*get_device_count)(int*);
  cudaError_t (*allocate)(void**, std::size_t);
  decltype(&::cudaFree) free;
  decltype(&::cudaMemset) memset;
  decltype(&::cudaStreamCreateWithFlags) stream_create;
  decltype(&::cudaStreamDestroy) stream_destroy;
  decltype(&::cudaStreamSynchronize) stream_synchronize;
  decltype(&::cudaStreamWaitEvent) stream_wait_event;
  cudaError_t (*event_create)(cudaEvent_t*, unsigned int);
  decltype(&::cudaEventDestroy) event_destroy;
  cudaError_t (*event_record)(cudaEvent_t, cudaStream_t);
  decltype(&::cudaEventQuery) event_query;
  const char* (*error_string)(cudaError_t);
};

void* open_library(const char* soname, const char* path) {
  void* handle = ::dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) handle = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    throw core::Unsupported(fmt::format("cannot load {}: {}", soname, ::dlerror()),
                            "install CUDA and NCCL, or let LD_LIBRARY_PATH name their folder");
  return handle;
}

template <class Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  if (function == nullptr)
    throw core::Unsupported(fmt::format("{} is missing from the libraries of CUDA and NCCL", name),
                            "install the versions that mutirao was built with");
}

Library load() {
  Library l{};
  void* const nccl = open_library("libnccl.so.2", MUTIRAO_NCCL_LIBRARY);
  find(nccl, "ncclGetUniqueId", l.get_unique_id);
  find(nccl, "ncclCommInitRank", l.comm_init_rank);
  find(nccl, "ncclCommDestroy", l.comm_destroy);
  find(nccl, "ncclCommAbort", l.comm_abort);
  find(nccl, "ncclCommGetAsyncError", l.comm_get_async_error);
  find(nccl, "ncclGetErrorString", l.get_error_string);
  find(nccl, "ncclAllReduce", l.all_reduce);
  find(nccl, "ncclReduce", l.reduce);
  find(nccl, "ncclBroadcast", l.broadcast);
  find(nccl, "ncclAllGather", l.all_gather);
  find(nccl, "ncclReduceScatter", l.reduce_scatter);
  const std::string soname = fmt::format("libcudart.so.{}", CUDART_VERSION / 1000);
  void* const cuda = open_library(soname.c_str(), MUTIRAO_CUDART_LIBRARY);
  find(cuda, "cudaGetDevice", l.get_device);
  find(cuda, "cudaSetDevice", l.set_device);
  find(cuda, "cudaGetDeviceCount", l.get_device_count);
  find(cuda, "cudaMalloc", l.allocate);
  find(cuda, "cudaFree", l.free);
  find(cuda, "cudaMemset", l.memset);
  find(cuda, "cudaStreamCreateWithFlags", l.stream_create);
  find(cuda, "cudaStreamDestroy", l.stream_destroy);
  find(cuda, "cudaStreamSynchronize", l.stream_synchronize);
  find(cuda, "cudaStreamWaitEvent", l.stream_wait_event);
  find(cuda, "cudaEventCreateWithFlags", l.event_create);
  find(cuda, "cudaEventDestroy", l.event_destroy);
  find(cuda, "cudaEventRecord", l.event_record);
  find(cuda, "cudaEventQuery", l.event_query);
  find(cuda, "cudaGetErrorString", l.error_string);
  return l;
}

const Library& library() {
  static const Library kLibrary = load();
  return kLibrary;
}

void check(ncclResult_t result, const char* what) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw core::IoError(fmt::format("NCCL cannot {}: {}", what, library().get_error_string(result)),
                      EIO, "set NCCL_DEBUG=INFO to see why");
}

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  throw core::IoError(fmt::format("CUDA cannot {}: {}", what, library().error_string(result)), EIO,
                      "look at nvidia-smi");
}

ncclDataType_t type_of(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return ncclFloat32;
    case DataType::kFloat64:
      return ncclFloat64;
    case DataType::kBfloat16:
      return ncclBfloat16;
    case DataType::kInt64:
      return ncclInt64;
  }
  throw core::InternalError("a type without a name");
}

ncclRedOp_t operation_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::kSum:
      return ncclSum;
    case Reduction::kMean:
      return ncclAvg;
    case Reduction::kMin:
      return ncclMin;
    case Reduction::kMax:
      return ncclMax;
  }
  throw core::InternalError("a reduction without a name");
}

/// The group's GPU is the thread's one while it lives.
class DeviceScope {
 public:
  explicit DeviceScope(int device) {
    check(library().get_device(&before_), "tell which GPU is in use");
    check(library().set_device(device), "use the GPU");
  }
  ~DeviceScope() { library().set_device(before_); }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int before_ = 0;
};

class Event {
 public:
  Event() { check(library().event_create(&event_, cudaEventDisableTiming), "make an event"); }
  ~Event() { library().event_destroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const noexcept { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

class NcclGroup : public Group, public std::enable_shared_from_this<NcclGroup> {
 public:
  NcclGroup(std::shared_ptr<HostGroup> host, const NcclOptions& options)
      : host_(std::move(host)),
        options_(options),
        user_(static_cast<cudaStream_t>(options.stream)) {
    int devices = 0;
    if (library().get_device_count(&devices) != cudaSuccess || devices == 0)
      throw core::Unsupported("this machine has no GPU that CUDA can use",
                              "leave the backend to Communicator, or look at nvidia-smi");
    if (options.device < 0 || options.device >= devices)
      throw core::InvalidArgument(
          fmt::format("there is no GPU {}; there are {}", options.device, devices),
          "start no more ranks than there are GPUs");
    const DeviceScope scope(options.device);
    check(library().stream_create(&stream_, cudaStreamNonBlocking), "make a stream");
    // The id travels over the host group, as whole numbers.
    ncclUniqueId id{};
    if (options.rank == 0) check(library().get_unique_id(&id), "make an id");
    auto* const bytes = reinterpret_cast<std::byte*>(&id);
    static_assert(sizeof id % sizeof(std::int64_t) == 0);
    const CollectiveHeader header{.count = sizeof id / sizeof(std::int64_t),
                                  .operation = Operation::kBroadcast,
                                  .type = DataType::kInt64,
                                  .root = 0};
    const bool root = options.rank == 0;
    host_->collective(header, CallerMemory{root ? bytes : nullptr, root ? nullptr : bytes})->wait();
    check(library().comm_init_rank(&communicator_, options.size, id, options.rank),
          "connect the GPUs");
    // A kernel that waits for a dead rank ends only when its communicator is aborted.
    host_->on_failure([this] { abort(); });
  }
  ~NcclGroup() override {
    host_->on_failure(nullptr);
    const std::lock_guard lock(mutex_);
    if (communicator_ != nullptr) {
      host_->board().failed() ? library().comm_abort(communicator_)
                              : library().comm_destroy(communicator_);
    }
    if (stream_ != nullptr) library().stream_destroy(stream_);
  }

  std::shared_ptr<const BufferMemory> allocate(std::size_t bytes) override;
  std::shared_ptr<Pending> collective(const CollectiveHeader& header,
                                      const std::shared_ptr<const BufferMemory>& buffer) override;
  std::shared_ptr<Pending> collective(const CollectiveHeader& header,
                                      const CallerMemory& memory) override {
    return host_->collective(header, memory);
  }
  std::shared_ptr<Pending> send(const std::byte* data, std::size_t count, DataType type,
                                int to) override {
    return host_->send(data, count, type, to);
  }
  std::shared_ptr<Pending> receive(std::byte* data, std::size_t count, DataType type,
                                   int from) override {
    return host_->receive(data, count, type, from);
  }
  int local_rank() const override { return host_->local_rank(); }
  int local_size() const override { return host_->local_size(); }
  std::string description() const override {
    return fmt::format("{}, a GPU each", host_->description());
  }

  void check_alive() {
    host_->board().throw_if_failed();
    const std::lock_guard lock(mutex_);
    ncclResult_t error = ncclSuccess;
    if (communicator_ != nullptr) library().comm_get_async_error(communicator_, &error);
    check(error, "go on");
  }
  std::optional<int> device() const override { return options_.device; }
  void* stream() const override { return user_; }
  void set_stream(void* stream) override { user_ = static_cast<cudaStream_t>(stream); }

 private:
  void abort() {
    const std::lock_guard lock(mutex_);
    if (communicator_ != nullptr) library().comm_abort(std::exchange(communicator_, nullptr));
  }
  void enqueue(const CollectiveHeader& header, std::byte* data);

  const std::shared_ptr<HostGroup> host_;
  const NcclOptions options_;
  std::atomic<cudaStream_t> user_;  // the caller's
  std::mutex mutex_;                // guards all below
  cudaStream_t stream_ = nullptr;
  ncclComm_t communicator_ = nullptr;
  std::uint32_t next_buffer_ = 1;
};

/// A collective on the group's stream; `compared` is the comparison of headers on the host.
class DeviceWork : public Pending {
 public:
  DeviceWork(std::shared_ptr<NcclGroup> group, std::shared_ptr<Pending> compared,
             std::shared_ptr<const BufferMemory> buffer)
      : group_(std::move(group)), compared_(std::move(compared)), buffer_(std::move(buffer)) {}

  /// Orders the caller's stream behind the collective; the host goes on.
  void wait() override {
    group_->check_alive();
    compared_->done();
    auto* const stream = static_cast<cudaStream_t>(group_->stream());
    check(library().stream_wait_event(stream, finished_.get(), 0), "wait");
  }
  bool done() override {
    group_->check_alive();
    compared_->done();
    const cudaError_t state = library().event_query(finished_.get());
    if (state == cudaErrorNotReady) return false;
    check(state, "finish a collective");
    return true;
  }
  void give_up() noexcept override {}
  cudaEvent_t finished() const noexcept { return finished_.get(); }

 private:
  const std::shared_ptr<NcclGroup> group_;
  const std::shared_ptr<Pending> compared_;
  const std::shared_ptr<const BufferMemory> buffer_;
  Event finished_;
};

std::shared_ptr<const BufferMemory> NcclGroup::allocate(std::size_t bytes) {
  auto memory = std::make_shared<BufferMemory>();
  void* data = nullptr;
  cudaError_t result = cudaSuccess;
  if (bytes > 0) {
    const DeviceScope scope(options_.device);
    result = library().allocate(&data, bytes);
    if (result == cudaSuccess) {
      memory->device = std::shared_ptr<void>(data, [](void* each) { library().free(each); });
      result = library().memset(data, 0, bytes);
      // Streams that do not wait for the legacy one may write next.
      if (result == cudaSuccess) result = library().stream_synchronize(nullptr);
    }
  }
  std::array<std::int64_t, 1> verdict{result == cudaSuccess ? options_.size : options_.rank};
  auto* const vote = reinterpret_cast<std::byte*>(verdict.data());
  const CollectiveHeader header{.count = 1,
                                .operation = Operation::kAllReduce,
                                .type = DataType::kInt64,
                                .reduction = Reduction::kMin};
  host_->collective(header, CallerMemory{vote, vote})->wait();
  check(result, "allocate memory");
  if (verdict[0] != options_.size)
    throw core::IoError(
        fmt::format("rank {} could not allocate {} bytes on its GPU", verdict[0], bytes), ENOMEM,
        "ask for less");
  memory->data = static_cast<std::byte*>(data);
  memory->bytes = bytes;
  memory->group = this;
  memory->on_device = true;
  const std::lock_guard lock(mutex_);
  memory->number = next_buffer_++;
  return memory;
}

void NcclGroup::enqueue(const CollectiveHeader& header, std::byte* data) {
  const Library& l = library();
  const ncclDataType_t type = type_of(header.type);
  const ncclRedOp_t operation = operation_of(header.reduction);
  std::byte* const block =
      data + static_cast<std::size_t>(options_.rank) * header.count * size_of(header.type);
  switch (header.operation) {
    case Operation::kBarrier:
    case Operation::kAllocate:
      return;
    case Operation::kAllReduce:
      return check(l.all_reduce(data, data, header.count, type, operation, communicator_, stream_),
                   "all_reduce");
    case Operation::kReduce:
      return check(
          l.reduce(data, data, header.count, type, operation, header.root, communicator_, stream_),
          "reduce");
    case Operation::kBroadcast:
      return check(l.broadcast(data, data, header.count, type, header.root, communicator_, stream_),
                   "broadcast");
    case Operation::kAllGather:
      return check(l.all_gather(block, data, header.count, type, communicator_, stream_),
                   "all_gather");
    case Operation::kReduceScatter:
      return check(
          l.reduce_scatter(data, block, header.count, type, operation, communicator_, stream_),
          "reduce_scatter");
  }
}

std::shared_ptr<Pending> NcclGroup::collective(const CollectiveHeader& header,
                                               const std::shared_ptr<const BufferMemory>& buffer) {
  if (!buffer) return host_->collective(header, nullptr);  // a barrier
  CollectiveHeader compared = header;
  compared.on_device = 1;
  const DeviceScope scope(options_.device);
  auto work = std::make_shared<DeviceWork>(shared_from_this(), host_->collective(compared, nullptr),
                                           buffer);
  const Event ready;
  const std::lock_guard lock(mutex_);
  host_->board().throw_if_failed();
  check(library().event_record(ready.get(), user_), "record an event");
  check(library().stream_wait_event(stream_, ready.get(), 0), "wait");
  enqueue(header, buffer->data + header.offset);
  check(library().event_record(work->finished(), stream_), "record an event");
  return work;
}

}  // namespace

void load_nccl() { library(); }

std::shared_ptr<Group> open_nccl(std::shared_ptr<HostGroup> host, const NcclOptions& options) {
  return std::make_shared<NcclGroup>(std::move(host), options);
}

}  // namespace mutirao::comm::internal

#else

#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {

void load_nccl() {
  throw core::Unsupported("this build has no NCCL", "install CUDA and NCCL and configure again");
}

std::shared_ptr<Group> open_nccl(std::shared_ptr<HostGroup>, const NcclOptions&) {
  load_nccl();
  return nullptr;
}

}  // namespace mutirao::comm::internal

#endif
