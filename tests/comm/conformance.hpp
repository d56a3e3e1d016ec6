#pragma once

// What every backend must do, as checks that all ranks of a Communicator run together. Each throws
// std::runtime_error that says what was wrong. Values are small whole numbers, whose sums are exact
// in every type and every order, except where bytes are compared.

#include <cstddef>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::comm {

/// Every collective, type and reduction, on Buffers and on spans, at many sizes and alignments.
void check_collectives(Communicator& ranks);
/// The largest: `bytes` of float32, in place and staged.
void check_large(Communicator& ranks, std::size_t bytes);
/// Random floats, infinities and NaN among them: the same bytes on all ranks and in a second run;
/// in rank order when all ranks are on one box.
void check_bytes(Communicator& ranks);
/// Thousands of calls back to back, on memory rewritten before each.
void check_back_to_back(Communicator& ranks);
/// Many under way, waited for in another order, given up, asked whether they are done.
void check_asynchronous(Communicator& ranks);
void check_messages(Communicator& ranks);
void check_bad_calls(Communicator& ranks);

inline void check_everything(Communicator& ranks) {
  check_collectives(ranks);
  check_bytes(ranks);
  check_back_to_back(ranks);
  check_asynchronous(ranks);
  check_messages(ranks);
  check_bad_calls(ranks);
}

}  // namespace mutirao::comm
