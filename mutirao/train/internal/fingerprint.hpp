#pragma once

// What tells one table from another.

#include <string>

#include "mutirao/data/table.hpp"

namespace mutirao::train::internal {

/// A hash of all that a table holds: names, types and cells of its columns, in their order. Of what
/// was read, not of the file it came from: the same table compressed otherwise is the same.
std::string fingerprint_of(const data::Table& table);

}  // namespace mutirao::train::internal
