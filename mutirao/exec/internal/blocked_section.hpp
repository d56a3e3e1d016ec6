#pragma once

#include "mutirao/exec/internal/core_words.hpp"

namespace mutirao::exec::internal {

/// While it lives the calling thread sleeps rather than works: inside a task it lends its core and,
/// on an executor's thread, has another thread take its place.
class BlockedSection {
 public:
  BlockedSection();
  ~BlockedSection();
  BlockedSection(const BlockedSection&) = delete;
  BlockedSection& operator=(const BlockedSection&) = delete;

 private:
  const CoreLoan loan_;
};

}  // namespace mutirao::exec::internal
