#pragma once

#include <cstdint>

#include "mutirao/core/archive.hpp"

namespace mutirao::exec::internal {

using AnyFunction = void (*)();

/// A function's name that another process of the same program understands: which module (by its
/// build id) and how far into it. Addresses differ between processes; this does not.
struct FunctionId {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(module, offset);
  }
  friend bool operator==(const FunctionId&, const FunctionId&) = default;
};

/// Throws core::InvalidArgument for an address that lies in no module.
FunctionId identify(AnyFunction function);
/// The function of that name in this process. Throws core::Unsupported when its module is not
/// loaded here.
AnyFunction resolve(const FunctionId& id);

}  // namespace mutirao::exec::internal
