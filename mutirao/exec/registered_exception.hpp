#pragma once

// Exceptions of the program's own that come out of Future::get() as themselves.
//
// Purpose: what a process task throws is rethrown with its own type when that is of the standard
// library, of the core::Error tree, or registered here; every other type arrives as TaskError.
// Requires: E has a default constructor and a cereal `serialize` (or `save` and `load`), which
// carries all that E holds, also what its base class does; registered before the Runtime is made,
// so that program and workers know it. Guarantees: exactly E is sent, never a slice of a class
// derived from it; causes (std::throw_with_nested) go along. Thread safety: any thread. Failure: an
// exception whose encoding or decoding throws arrives as TaskError, with its type and message.
//
//   struct NoConvergence : std::exception {
//     int iterations = 0;
//     template <class Archive> void serialize(Archive& archive) { archive(iterations); }
//   };
//   exec::register_exception<NoConvergence>();

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "mutirao/core/archive.hpp"
#include "mutirao/exec/internal/call.hpp"

namespace mutirao::exec {
namespace internal {

/// Throws what was decoded: alone, or with the exception that is being handled as its cause.
using Rethrow = std::function<void(bool nested)>;

struct ExceptionCodec {
  const char* type;  // as std::type_info names it: the same in all processes of a program
  /// Encodes the exception that is being handled; false when it is of another type.
  bool (*save)(core::OutputArchive&);
  Rethrow (*load)(core::InputArchive&);
};

/// Idempotent.
void register_codec(const ExceptionCodec& codec);

template <class E>
bool save_exception_of(core::OutputArchive& archive) {
  try {
    throw;
  } catch (const E& exception) {
    // throw_with_nested throws a class of its own, derived from E.
    if constexpr (std::is_polymorphic_v<E>) {
      if (typeid(exception) != typeid(E) &&
          dynamic_cast<const std::nested_exception*>(&exception) == nullptr)
        return false;
    }
    archive(exception);
    return true;
  } catch (...) {
    return false;
  }
}

template <class E>
Rethrow load_exception_of(core::InputArchive& archive) {
  auto exception = std::make_shared<E>();
  archive(*exception);
  return [exception](bool nested) {
    if (nested) std::throw_with_nested(std::move(*exception));
    throw std::move(*exception);
  };
}

}  // namespace internal

template <class E>
void register_exception() {
  static_assert(internal::Serializable<E>,
                "a registered exception needs a default constructor and serialize(Archive&)");
  internal::register_codec(
      {typeid(E).name(), &internal::save_exception_of<E>, &internal::load_exception_of<E>});
}

}  // namespace mutirao::exec
