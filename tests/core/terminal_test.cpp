#include "mutirao/core/terminal.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {
namespace {

TEST(Terminal, AFileAndAPipeAreNone) {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(is_terminal(null.get()));
  EXPECT_EQ(terminal_width(null.get()), 80u);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  EXPECT_FALSE(is_terminal(in.get()));
  EXPECT_EQ(terminal_width(in.get()), 80u);
  EXPECT_FALSE(is_terminal(-1));
  EXPECT_EQ(terminal_width(-1), 80u);
}

TEST(Terminal, ATerminalSaysItsWidth) {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal) GTEST_SKIP() << "there are no pseudoterminals here";
  EXPECT_TRUE(is_terminal(terminal.get()));
  winsize size{};
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(terminal_width(terminal.get()), 80u);
  size.ws_col = 123;
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  EXPECT_EQ(terminal_width(terminal.get()), 123u);
}

}  // namespace
}  // namespace mutirao::core
