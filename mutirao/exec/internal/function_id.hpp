#pragma once

#include <cstdint>
#include <string>

#include "mutirao/core/archive.hpp"

namespace mutirao::exec::internal {

using AnyFunction = void (*)();

/// A function's name that another process of the same program understands: which module (by its
/// build id) and how far into it. Addresses differ between processes; this does not.
struct FunctionId {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;

  /// A module that was loaded after the Runtime was made exists in no worker: its file goes along,
  /// and load() loads it there. Throws core::Unsupported when that file is another by then.
  void save(core::OutputArchive& archive) const;
  void load(core::InputArchive& archive);
  friend bool operator==(const FunctionId&, const FunctionId&) = default;
};

/// Throws core::InvalidArgument for an address that lies in no module.
FunctionId identify(AnyFunction function);
/// The function of that name in this process. Throws core::Unsupported when its module is not
/// loaded here.
AnyFunction resolve(const FunctionId& id);

/// The file of a module of this process; empty when it is not loaded here.
std::string file_of_module(std::uint64_t module);

/// Which files a process consists of, as far as they say what they were built from.
struct ModuleBuilds {
  static constexpr std::size_t kMost = 256;
  struct Module {
    std::uint64_t file;
    std::uint64_t build;
  };
  std::uint32_t count = 0;
  Module modules[kMost];
};
ModuleBuilds module_builds();
/// A file of this process that is of another build than the file of that name there; empty when
/// there is none.
std::string module_of_another_build(const ModuleBuilds& there);

/// Notes which modules are loaded now, for locate().
void remember_modules();
/// The place of any address in the modules that were remembered, {0, address} elsewhere. May be
/// called in a signal handler.
FunctionId locate(std::uintptr_t address) noexcept;

}  // namespace mutirao::exec::internal
