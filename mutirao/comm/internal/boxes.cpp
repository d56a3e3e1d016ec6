#include "mutirao/comm/internal/boxes.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/comm/internal/rendezvous.hpp"
#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::comm::internal {

// Rounds: in each, the lowest rank without a box opens one, and those that reach its socket join.
// Ranks of one key (same start of the machine, same word) try each other.
std::vector<std::vector<int>> find_boxes(int rank, int size, const std::string& box,
                                         const std::string& token, const GatherWords& gather) {
  const std::vector<std::string> keys =
      gather((core::boot_id() + ' ' + box).substr(0, kBoxWord - 1));
  const auto index = [](int of) { return static_cast<std::size_t>(of); };
  std::vector<int> box_of(index(size), -1);  // its first rank
  const auto host_for = [&](int of) {
    for (int each = 0; each < of; ++each) {
      if (box_of[index(each)] < 0 && keys[index(each)] == keys[index(of)]) return each;
    }
    return of;
  };
  while (std::count(box_of.begin(), box_of.end(), -1) > 0) {
    const bool waits = box_of[index(rank)] < 0;
    const int host = waits ? host_for(rank) : -1;
    const auto name_of = [&](int of) { return socket_name(fmt::format("{} box {}", token, of)); };
    std::optional<core::LocalListener> listener;
    if (host == rank) listener = core::LocalListener::listen(name_of(rank));
    gather("");  // all listeners are there
    int found = waits && host == rank ? rank : -1;
    if (waits && host != rank) {
      const auto socket = core::LocalSocket::connect(name_of(host));
      if (socket && socket->peer().user == ::geteuid()) found = host;
    }
    const std::vector<std::string> all = gather(std::to_string(found));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const int joined = std::atoi(all[i].c_str());
      if (joined >= 0) box_of[i] = joined;
    }
  }
  std::vector<std::vector<int>> boxes;
  for (int first = 0; first < size; ++first) {
    std::vector<int> members;
    for (int each = 0; each < size; ++each) {
      if (box_of[index(each)] == first) members.push_back(each);
    }
    if (!members.empty()) boxes.push_back(std::move(members));
  }
  return boxes;
}

}  // namespace mutirao::comm::internal
