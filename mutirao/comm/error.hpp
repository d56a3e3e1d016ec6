#pragma once

// How a group of ranks fails.
//
// Purpose: what the members of Communicator and of Work throw, beside core::InvalidArgument for a
// call that cannot be right. Guarantees: when a group fails, every rank gets the same sentence,
// which names the rank at fault; from then on every call throws it again, because what the others
// had done by then cannot be known. Thread safety: errors are values.

#include <string>
#include <utility>

#include "mutirao/core/error.hpp"

namespace mutirao::comm {

/// The ranks of this program did not find each other: one is missing, two are the same, they
/// disagree about how many they are, or the address is taken.
class RendezvousFailed : public core::Error {
 public:
  explicit RendezvousFailed(const std::string& message, std::string hint = {})
      : Error(core::ErrorCode::kRendezvousFailed, message, std::move(hint)) {}
};

/// The group is dead. rank() is whose fault it was, -1 when nobody's in particular.
class GroupFailed : public core::Error {
 public:
  int rank() const noexcept { return rank_; }

 protected:
  GroupFailed(core::ErrorCode code, const std::string& message, int rank, std::string hint)
      : Error(code, message, std::move(hint)), rank_(rank) {}

 private:
  int rank_;
};

/// A rank died, was stopped, or left while others still needed it.
class RankFailed : public GroupFailed {
 public:
  RankFailed(const std::string& message, int rank, std::string hint = {})
      : GroupFailed(core::ErrorCode::kRankFailed, message, rank, std::move(hint)) {}
};

/// A rank is alive but did not come to a collective in time.
class CollectiveTimeout : public GroupFailed {
 public:
  CollectiveTimeout(const std::string& message, int rank, std::string hint = {})
      : GroupFailed(core::ErrorCode::kCollectiveTimeout, message, rank, std::move(hint)) {}
};

/// Ranks came to the same place in the sequence with different collectives.
class CollectiveMismatch : public GroupFailed {
 public:
  CollectiveMismatch(const std::string& message, int rank, std::string hint = {})
      : GroupFailed(core::ErrorCode::kCollectiveMismatch, message, rank, std::move(hint)) {}
};

}  // namespace mutirao::comm
