#include <cerrno>
#include <cstdio>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::cli {

void print_result(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw core::IoError("cannot write the result to stdout", errno);
}

void print_note(const std::string& text) { fmt::print(stderr, "mutirao: {}\n", text); }

}  // namespace mutirao::cli
