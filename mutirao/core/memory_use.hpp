#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/types.h>

namespace mutirao::core {

/// Bytes of memory that only this process holds, resident now; 0 when it is gone.
std::uint64_t private_memory_of(pid_t process) noexcept;

/// The same of a process and all that descend from it. Pages that they share since a fork count
/// once; as that takes longer to find out, it is only looked at where the plain sum is beyond
/// `enough`.
std::uint64_t private_memory_below(pid_t process, std::uint64_t enough) noexcept;

/// Bytes that programs can still take before this machine swaps or kills; all there are when the
/// system does not say.
std::uint64_t available_memory();

/// Bounds what this process may still allocate privately (RLIMIT_DATA): `bytes` more than it has
/// now. 0 lifts the bound. Does nothing when the system refuses.
void allow_private_memory(std::uint64_t bytes) noexcept;

/// Asks the kernel to end this process, and those it starts, before others when memory runs out.
void offer_to_memory_killer() noexcept;

/// A control group for the memory of one process: versions 1 and 2.
class MemoryGroup {
 public:
  /// The group `name`, made if need be, in the folder of a group that this program may use. Throws
  /// IoError; Unsupported when memory is not what that folder controls.
  MemoryGroup(const std::string& parent, const std::string& name);
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// Puts the process into the group. Throws IoError.
  void add(pid_t process);
  /// 0: no limit. Throws IoError.
  void limit(std::uint64_t bytes);
  /// How often the kernel has killed a process of the group for its memory.
  std::uint64_t kills() const;

 private:
  const std::string folder_;
  bool version_2_ = false;
  std::uint64_t limit_ = 0;
};

/// How often the kernel has killed a process for want of memory: in this program's control group
/// where that can be read, else on this machine.
std::uint64_t kernel_memory_kills();

/// The folder of this process's own control group when it was delegated to this user, so that
/// groups for its memory can be made in it; empty when not.
std::string delegated_memory_group();

}  // namespace mutirao::core
