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

/// Notes which modules are loaded now, for locate().
void remember_modules();
/// The place of any address in the modules that were remembered, {0, address} elsewhere. May be
/// called in a signal handler.
FunctionId locate(std::uintptr_t address) noexcept;

}  // namespace mutirao::exec::internal
