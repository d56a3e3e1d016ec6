#pragma once

#include <cstddef>

namespace mutirao::core {

/// Whether a person looks at what is written to the descriptor.
bool is_terminal(int fd) noexcept;

/// Columns of the terminal behind the descriptor; 80 when it does not say.
std::size_t terminal_width(int fd) noexcept;

}  // namespace mutirao::core
