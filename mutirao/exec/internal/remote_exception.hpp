#pragma once

#include <exception>
#include <string>

#include "mutirao/core/archive.hpp"

namespace mutirao::exec::internal {

/// Encodes an exception with its causes. Never throws for lack of a known type: what cannot be
/// rebuilt elsewhere goes as its type's name and its message.
void save_exception(core::OutputArchive& archive, const std::exception_ptr& error);

/// What save_exception wrote, rebuilt: standard exceptions, the core::Error tree and registered
/// types as themselves, everything else as TaskError.
std::exception_ptr load_exception(core::InputArchive& archive);

}  // namespace mutirao::exec::internal
