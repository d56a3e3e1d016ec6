#include "mutirao/core/local_socket.hpp"

#include <array>
#include <cstring>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/core/shared_memory.hpp"

namespace mutirao::core {
namespace {

using namespace std::chrono_literals;

std::string name() { return "mutirao-test-" + std::to_string(::getpid()); }

TEST(LocalListener, AConnectionCarriesMessagesAndDescriptorsBothWays) {
  const auto listener = LocalListener::listen(name());
  ASSERT_TRUE(listener);
  EXPECT_FALSE(listener->accept());
  const auto client = LocalSocket::connect(name());
  ASSERT_TRUE(client);
  const std::array fds{listener->get()};
  EXPECT_TRUE(wait_readable(fds, 10s)[0]);
  const auto server = listener->accept();
  ASSERT_TRUE(server);

  const UniqueFd memory = create_memory_file(4096);
  const std::array sent{memory.get()};
  const std::array<std::byte, 2> message{std::byte{1}, std::byte{2}};
  EXPECT_EQ(server->send(message, sent, LocalSocket::Wait::kYes), LocalSocket::Sent::kYes);
  std::array<std::byte, 8> buffer{};
  const auto received = client->receive(buffer, LocalSocket::Wait::kYes);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, 2U);
  ASSERT_EQ(received->fds.size(), 1U);
  EXPECT_EQ(client->send(message, {}, LocalSocket::Wait::kYes), LocalSocket::Sent::kYes);
  EXPECT_EQ(server->receive(buffer, LocalSocket::Wait::kYes)->bytes, 2U);
}

TEST(LocalListener, TheKernelTellsWhoIsAtTheOtherEnd) {
  const auto listener = LocalListener::listen(name());
  const auto client = LocalSocket::connect(name());
  const auto server = listener->accept();
  ASSERT_TRUE(server);
  for (const auto* end : {&*client, &*server}) {
    EXPECT_EQ(end->peer().process, ::getpid());
    EXPECT_EQ(end->peer().user, ::geteuid());
  }
}

TEST(LocalListener, ANameBelongsToOneListenerUntilItIsGone) {
  EXPECT_FALSE(LocalSocket::connect(name()));
  {
    const auto first = LocalListener::listen(name());
    EXPECT_TRUE(first);
    EXPECT_FALSE(LocalListener::listen(name()));
  }
  EXPECT_FALSE(LocalSocket::connect(name()));
  EXPECT_TRUE(LocalListener::listen(name()));
}

TEST(WaitReadable, TellsWhichDescriptorsCanBeReadOrAreClosed) {
  auto [a, b] = LocalSocket::pair();
  auto [c, d] = LocalSocket::pair();
  const std::array fds{a.get(), c.get(), -1};
  EXPECT_EQ(wait_readable(fds, 0ms), (std::vector<bool>{false, false, false}));
  d.close();
  EXPECT_EQ(wait_readable(fds, 10s), (std::vector<bool>{false, true, false}));
}

}  // namespace
}  // namespace mutirao::core
