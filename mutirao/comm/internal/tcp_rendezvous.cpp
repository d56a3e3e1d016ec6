#include "mutirao/comm/internal/tcp_rendezvous.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <asio/ip/v6_only.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/comm/error.hpp"
#include "mutirao/comm/internal/boxes.hpp"
#include "mutirao/comm/internal/tcp_link.hpp"

namespace mutirao::comm::internal {
namespace {

using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint64_t kMagic = 0x31'70'63'74'6d'6d'6f'63ULL;  // "commtcp1"
/// Rank 0 may have begun later, and knows better who is missing.
constexpr std::chrono::seconds kLonger{2};

struct Hello {
  std::uint64_t magic = kMagic;
  std::int32_t rank = 0;
  std::int32_t world_size = 0;
  std::array<char, 256> run{};
};

struct Reply {
  std::uint64_t magic = kMagic;
  std::uint32_t refused = 0;
  std::array<char, 64> token{};
  std::array<char, 64> address{};  ///< of the rank, as rank 0 sees it
  std::array<char, 1024> text{};
};

/// Between two ranks of which none is 0.
struct Introduction {
  std::uint64_t magic = kMagic;
  std::array<char, 64> token{};
  std::int32_t rank = 0;
};

template <std::size_t size>
void put(const std::string& text, std::array<char, size>& into) {
  text.copy(into.data(), size - 1);
}
template <std::size_t size>
std::string text_in(const std::array<char, size>& text) {
  return {text.data(), ::strnlen(text.data(), size)};
}
template <class T>
asio::mutable_buffer buffer_of(T& value) {
  return asio::buffer(&value, sizeof value);
}
template <class T>
void write_to(tcp::socket& socket, const T& value) {
  asio::error_code ignored;  // an end that is gone is noticed when it is read from
  asio::write(socket, asio::buffer(&value, sizeof value), ignored);
}

std::string seconds_of(milliseconds time) {
  return fmt::format("{:g} s", static_cast<double>(time.count()) / 1000.0);
}

std::string new_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", random());
  return token;
}

/// Listens at that port, 0: any free one, of all addresses of this machine.
tcp::acceptor listen(asio::io_context& context, int port, asio::error_code& error) {
  tcp::acceptor acceptor(context);
  const auto try_to = [&](const tcp& protocol) {
    error.clear();
    if (acceptor.is_open()) acceptor.close(error);
    const tcp::endpoint any(protocol, static_cast<asio::ip::port_type>(port));
    if (!error) acceptor.open(protocol, error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error && protocol == tcp::v6()) acceptor.set_option(asio::ip::v6_only(false), error);
    if (!error) acceptor.bind(any, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  };
  try_to(tcp::v6());
  if (error && error != asio::error::address_in_use) try_to(tcp::v4());
  return acceptor;
}

std::string address_text(const tcp::socket& socket) {
  asio::error_code error;
  const asio::ip::address address = socket.remote_endpoint(error).address();
  if (!error && address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

class Meeting {
 public:
  Meeting(const World& world, milliseconds timeout)
      : world_(world),
        timeout_(timeout),
        deadline_(Clock::now() + timeout),
        port_(meeting_port(world)),
        place_(fmt::format("{}:{}", world.master_address, port_)),
        link_(std::make_unique<TcpLink>()),
        context_(link_->context()) {}

  LinkedWorld meet(const std::string& box) {
    world_.rank == 0 ? receive_all() : visit();
    auto boxes = find_boxes(world_.rank, world_.size, box, token_,
                            [this](const std::string& word) { return gather(word); });
    connect_boxes(boxes);
    link_->set_boxes(std::move(boxes));
    return {std::move(link_), token_};
  }

 private:
  struct Guest {
    explicit Guest(tcp::socket connected) : socket(std::move(connected)) {}
    tcp::socket socket;
    Hello hello;
    bool introduced = false;
  };

  // ---- Rank 0.

  void receive_all() {
    token_ = new_token();
    asio::error_code error;
    tcp::acceptor acceptor = listen(context_, port_, error);
    if (error)
      throw RendezvousFailed(
          fmt::format("rank 0 cannot listen on port {}: {}", port_, error.message()),
          "choose another port for all ranks: --master, MASTER_PORT or MUTIRAO_COMM_PORT");
    accept_guests(acceptor);
    while (guests_.size() + 1 < static_cast<std::size_t>(world_.size)) {
      if (Clock::now() >= deadline_) time_is_over();
      context_.run_one_until(deadline_);
      if (!complaint_.empty()) refuse_all(complaint_, hint_);
    }
    // Nothing that was begun here may end when this is gone.
    met_ = true;
    acceptor.close(error);
    for (const auto& stranger : strangers_) {
      if (!stranger->introduced) stranger->socket.close(error);
    }
    strangers_.clear();
    for (auto& [rank, guest] : guests_) guest->socket.cancel(error);
    context_.poll();
    if (!complaint_.empty()) refuse_all(complaint_, hint_);
    for (auto& [rank, guest] : guests_) {
      Reply reply;
      put(token_, reply.token);
      put(address_text(guest->socket), reply.address);
      write_to(guest->socket, reply);
      link_->add(rank, std::move(guest->socket));
    }
    guests_.clear();
  }

  void accept_guests(tcp::acceptor& acceptor) {
    acceptor.async_accept([this, &acceptor](const asio::error_code& error, tcp::socket socket) {
      if (met_ || error == asio::error::operation_aborted) return;
      if (!error) {
        const auto guest = std::make_shared<Guest>(std::move(socket));
        strangers_.push_back(guest);
        asio::async_read(guest->socket, buffer_of(guest->hello),
                         [this, guest](const asio::error_code& failed, std::size_t) {
                           if (!failed && !met_ && guest->hello.magic == kMagic) introduce(guest);
                         });
      }
      accept_guests(acceptor);
    });
  }

  void introduce(const std::shared_ptr<Guest>& guest) {
    const Hello& hello = guest->hello;
    if (text_in(hello.run) != run()) {
      refuse(*guest, fmt::format("{} belongs to another run", place_),
             "choose another port or run id");
      return;
    }
    const int rank = hello.rank;
    if (hello.world_size != world_.size) {
      complain(fmt::format("rank {} was told that there are {} ranks, rank 0 that there are {}",
                           rank, hello.world_size, world_.size),
               "set the same world size in every rank");
    } else if (rank < 1 || rank >= world_.size) {
      complain(fmt::format("somebody says that it is rank {}, which is not of this group of {}",
                           rank, world_.size),
               "ranks count from 0 to the world size less one, and there is one rank 0");
    } else if (guests_.contains(rank)) {
      complain(fmt::format("there are two of rank {}: on {} and {}", rank,
                           address_text(guests_[rank]->socket), address_text(guest->socket)),
               "give each process a rank of its own, and each machine its own node rank");
    } else {
      guests_[rank] = guest;
      guest->introduced = true;
      // It has nothing to say until all are there: this is its end.
      guest->socket.async_wait(tcp::socket::wait_read, [this, rank](const asio::error_code& error) {
        if (!error)
          complain(fmt::format("rank {} ended before all {} ranks had met", rank, world_.size),
                   "look at what that rank wrote last");
      });
      return;
    }
    refuse(*guest, complaint_, hint_);
  }

  void complain(const std::string& message, const std::string& hint) {
    if (!complaint_.empty()) return;
    complaint_ = message;
    hint_ = hint;
  }

  static void refuse(Guest& guest, const std::string& message, const std::string& hint) {
    Reply reply;
    reply.refused = 1;
    put(message + '\n' + hint, reply.text);
    write_to(guest.socket, reply);
  }

  [[noreturn]] void refuse_all(const std::string& message, const std::string& hint) {
    for (auto& [rank, guest] : guests_) refuse(*guest, message, hint);
    throw RendezvousFailed(message, hint);
  }

  [[noreturn]] void time_is_over() {
    std::vector<int> absent;
    for (int rank = 1; rank < world_.size; ++rank) {
      if (!guests_.contains(rank)) absent.push_back(rank);
    }
    refuse_all(
        fmt::format("{} of {} ranks had come to {} after {}; missing: rank {}", guests_.size() + 1,
                    world_.size, place_, seconds_of(timeout_), fmt::join(absent, ", ")),
        "look whether they were started, with the same master address, port and run id, "
        "and whether they can reach it");
  }

  // ---- The others.

  void visit() {
    tcp::socket socket = connect(world_.master_address, port_, deadline_);
    Hello hello;
    hello.rank = world_.rank;
    hello.world_size = world_.size;
    put(run(), hello.run);
    write_to(socket, hello);
    Reply reply;
    const std::optional<asio::error_code> read =
        run_until([&](auto handler) { asio::async_read(socket, buffer_of(reply), handler); },
                  deadline_ + kLonger);
    if (!read)
      throw RendezvousFailed(
          fmt::format("rank 0 has been reached at {}, but some of the {} ranks have not come "
                      "within {}",
                      place_, world_.size, seconds_of(timeout_)),
          "rank 0 says which, when its own time is over");
    if (*read || reply.magic != kMagic)
      throw RendezvousFailed(
          fmt::format("rank 0 ended before all {} ranks had met, or what answers at {} is another "
                      "program",
                      world_.size, place_),
          "look at what rank 0 wrote last; --master and MASTER_PORT must name a port that is free");
    if (reply.refused != 0) {
      const std::string text = text_in(reply.text);
      const auto end = text.find('\n');
      throw RendezvousFailed(text.substr(0, end),
                             end == std::string::npos ? std::string() : text.substr(end + 1));
    }
    token_ = text_in(reply.token);
    own_address_ = text_in(reply.address);
    link_->add(0, std::move(socket));
  }

  tcp::socket connect(const std::string& host, int port, Clock::time_point deadline) {
    constexpr milliseconds kAgain{20};
    asio::error_code error;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(host, std::to_string(port), error);
    if (error)
      throw RendezvousFailed(fmt::format("there is no host '{}': {}", host, error.message()),
                             "--master and MASTER_ADDR name the machine of rank 0 as every machine "
                             "knows it");
    for (;;) {
      for (const auto& entry : found) {
        tcp::socket socket(context_);
        const std::optional<asio::error_code> result = run_until(
            [&](auto handler) { socket.async_connect(entry.endpoint(), handler); }, deadline);
        if (result && !*result) return socket;
        error = result.value_or(asio::error_code(asio::error::timed_out));
      }
      if (Clock::now() >= deadline)
        throw RendezvousFailed(
            fmt::format("rank {} cannot reach {}:{} for {}: {}", world_.rank, host, port,
                        seconds_of(timeout_), error.message()),
            "look whether rank 0 was started, and whether a firewall is between");
      asio::steady_timer timer(context_, kAgain);
      run_until([&](auto handler) { timer.async_wait(handler); }, deadline);
    }
  }

  /// Starts something and works until it is done; nothing when the time is over.
  template <class Start>
  std::optional<asio::error_code> run_until(const Start& start, Clock::time_point deadline) {
    // Outlives this call where the operation does.
    const auto result = std::make_shared<std::optional<asio::error_code>>();
    start([result](const asio::error_code& error, auto...) { *result = error; });
    while (!*result && Clock::now() < deadline) context_.run_one_until(deadline);
    return *result;
  }

  // ---- All.

  /// A stranger's port and another run's are told apart by it; an address may be spelled in many
  /// ways.
  std::string run() const { return world_.run_id.substr(0, 255); }

  std::vector<std::string> gather(const std::string& word) {
    using Word = std::array<char, kBoxWord>;
    const auto size = static_cast<std::size_t>(world_.size);
    std::vector<Word> words(size);
    put(word, words[static_cast<std::size_t>(world_.rank)]);
    const auto bytes = [](Word* first) { return reinterpret_cast<std::byte*>(first); };
    if (world_.rank == 0) {
      for (int rank = 1; rank < world_.size; ++rank) {
        Word& theirs = words[static_cast<std::size_t>(rank)];
        finish(*link_->receive(bytes(&theirs), sizeof theirs, rank, kMeetingTag), rank);
      }
      for (int rank = 1; rank < world_.size; ++rank)
        finish(*link_->send(bytes(words.data()), sizeof(Word) * size, rank, kMeetingTag), rank);
    } else {
      const Word mine = words[static_cast<std::size_t>(world_.rank)];
      finish(*link_->send(reinterpret_cast<const std::byte*>(&mine), sizeof mine, 0, kMeetingTag),
             0);
      finish(*link_->receive(bytes(words.data()), sizeof(Word) * size, 0, kMeetingTag), 0);
    }
    std::vector<std::string> all;
    all.reserve(size);
    for (const Word& each : words) all.push_back(text_in(each));
    return all;
  }

  void finish(Link::Transfer& transfer, int rank) {
    if (link_->wait(transfer, rank, deadline_ + kLonger)) return;
    throw RendezvousFailed(
        link_->is_lost(rank)
            ? fmt::format("rank {} ended before all {} ranks had met", rank, world_.size)
            : fmt::format("rank {} came, but did not connect to the others within {}", rank,
                          seconds_of(timeout_)),
        "look at what that rank wrote last, and whether the machines can reach each other");
  }

  void connect_boxes(const std::vector<std::vector<int>>& boxes) {
    const auto box_of = [&](int rank) {
      return std::find_if(boxes.begin(), boxes.end(),
                          [&](const auto& members) {
                            return std::binary_search(members.begin(), members.end(), rank);
                          }) -
             boxes.begin();
    };
    const int me = world_.rank;
    asio::error_code error;
    std::optional<tcp::acceptor> acceptor;
    if (me != 0) {
      acceptor = listen(context_, 0, error);
      if (error)
        throw RendezvousFailed(fmt::format("rank {} cannot listen: {}", me, error.message()));
    }
    const std::vector<std::string> places = gather(
        me == 0 ? "" : fmt::format("{} {}", acceptor->local_endpoint().port(), own_address_));
    std::vector<int> expected;
    for (int rank = 1; me != 0 && rank < world_.size; ++rank) {
      if (box_of(rank) == box_of(me)) continue;
      if (rank > me) {
        expected.push_back(rank);
        continue;
      }
      const std::string& place = places[static_cast<std::size_t>(rank)];
      const auto space = place.find(' ');
      tcp::socket socket =
          connect(place.substr(space + 1), std::atoi(place.c_str()), deadline_ + kLonger);
      Introduction introduction;
      put(token_, introduction.token);
      introduction.rank = me;
      write_to(socket, introduction);
      link_->add(rank, std::move(socket));
    }
    while (!expected.empty()) expect_one(*acceptor, expected);
    gather("");  // all are connected
    for (int rank = me == 0 ? 1 : 0; rank < (me == 0 ? world_.size : 1); ++rank) {
      if (box_of(rank) == box_of(me)) link_->remove(rank);
    }
  }

  void expect_one(tcp::acceptor& acceptor, std::vector<int>& expected) {
    const auto deadline = deadline_ + kLonger;
    tcp::socket socket(context_);
    const auto accepted =
        run_until([&](auto handler) { acceptor.async_accept(socket, handler); }, deadline);
    if (!accepted)
      throw RendezvousFailed(fmt::format("rank {} waits for a connection from rank {}", world_.rank,
                                         fmt::join(expected, ", ")),
                             "all machines must reach each other, not rank 0 alone");
    Introduction introduction;
    const auto read =
        run_until([&](auto handler) { asio::async_read(socket, buffer_of(introduction), handler); },
                  deadline);
    if (!read || *read || introduction.magic != kMagic || text_in(introduction.token) != token_)
      return;  // a stranger
    const auto place = std::find(expected.begin(), expected.end(), introduction.rank);
    if (place == expected.end()) return;
    link_->add(introduction.rank, std::move(socket));
    expected.erase(place);
  }

  const World& world_;
  const milliseconds timeout_;
  const Clock::time_point deadline_;
  const int port_;
  const std::string place_;
  std::unique_ptr<TcpLink> link_;
  asio::io_context& context_;
  std::string token_;
  std::string own_address_;
  std::map<int, std::shared_ptr<Guest>> guests_;
  std::vector<std::shared_ptr<Guest>> strangers_;  // have connected; some are guests by now
  bool met_ = false;
  std::string complaint_;
  std::string hint_;
};

}  // namespace

int meeting_port(const World& world) {
  if (const auto text = process_environment("MUTIRAO_COMM_PORT")) {
    const int port = std::atoi(text->c_str());
    if (port < 1 || port > 65535)
      throw core::InvalidArgument(fmt::format("MUTIRAO_COMM_PORT is '{}'", *text),
                                  "set a port from 1 to 65535, the same in all ranks");
    return port;
  }
  return world.master_port_is_taken && world.master_port < 65535 ? world.master_port + 1
                                                                 : world.master_port;
}

LinkedWorld connect_tcp(const World& world, const std::string& box, milliseconds timeout) {
  if (world.master_address.empty() || meeting_port(world) == 0)
    throw core::InvalidArgument(
        "ranks on several machines need to know where rank 0 is, and MASTER_ADDR and MASTER_PORT "
        "are not set",
        "start them with `mutirao launch --nnodes M --master HOST:PORT`, mpirun or torchrun");
  return Meeting(world, timeout).meet(box);
}

}  // namespace mutirao::comm::internal
