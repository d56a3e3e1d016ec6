#include "conformance.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::comm {
namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

constexpr Reduction kReductions[] = {Reduction::kSum, Reduction::kMean, Reduction::kMin,
                                     Reduction::kMax};

/// What rank `rank` has as element `i`, in round `round`.
template <Element T>
T value_of(int rank, std::size_t i, std::size_t round = 0) {
  const auto number =
      static_cast<int>((i * 7 + static_cast<std::size_t>(rank) * 5 + round) % 13) - 6;
  if constexpr (std::same_as<T, std::int64_t>) {
    return number;
  } else {
    return T(static_cast<float>(number));
  }
}

/// What all ranks together have; values repeat after 13 elements.
template <Element T>
T reduced(int size, std::size_t i, Reduction reduction, std::size_t round = 0) {
  thread_local std::map<std::tuple<int, Reduction, std::size_t>, std::array<T, 13>> known;
  thread_local const std::array<T, 13>* last = nullptr;
  thread_local std::tuple<int, Reduction, std::size_t> last_key;
  const std::tuple key(size, reduction, round % 13);
  if (last == nullptr || last_key != key) {
    std::array<T, 13>& all = known[key];
    for (std::size_t each = 0; each < all.size(); ++each) {
      std::vector<T> column;
      for (int rank = 0; rank < size; ++rank) column.push_back(value_of<T>(rank, each, round));
      all[each] = reference_reduce<T>(reduction, column);
    }
    last = &all;
    last_key = key;
  }
  return (*last)[i % 13];
}

/// Elements at any address: in a Buffer or on the heap, odd or not.
template <Element T>
class Elements {
 public:
  Elements(std::byte* at, std::size_t count) : at_(at), count_(count) {}
  void set(std::size_t i, T value) { std::memcpy(at_ + i * sizeof(T), &value, sizeof value); }
  T get(std::size_t i) const {
    T value;
    std::memcpy(&value, at_ + i * sizeof(T), sizeof value);
    return value;
  }
  void fill(int rank, std::size_t first = 0, std::size_t round = 0) {
    for (std::size_t i = 0; i < count_; ++i) set(i, value_of<T>(rank, first + i, round));
  }
  template <class Expected>
  void expect(const std::string& what, Expected expected) const {
    for (std::size_t i = 0; i < count_; ++i) {
      const T found = get(i);
      const T wanted = expected(i);
      if (found == wanted) continue;
      using W = typename Wide<T>::Type;
      throw std::runtime_error(fmt::format("{}: element {} of {} is {}, not {}", what, i, count_,
                                           static_cast<W>(found), static_cast<W>(wanted)));
    }
  }
  void* data() const { return at_; }

 private:
  std::byte* at_;
  std::size_t count_;
};

/// Memory of ours at an address of that misalignment.
class Heap {
 public:
  Heap(std::size_t bytes, std::size_t misalignment)
      : bytes_(bytes + misalignment + 64), at_(bytes_.data() + misalignment) {}
  std::byte* data() { return at_; }

 private:
  std::vector<std::byte> bytes_;
  std::byte* at_;
};

template <Element T>
void check_in_place(Communicator& ranks, const Buffer& buffer, std::size_t count,
                    std::size_t offset) {
  const int me = ranks.rank();
  const auto size = static_cast<std::size_t>(ranks.size());
  const BufferPart part = buffer.part<T>(count, offset);
  Elements<T> mine(part.data(), count);
  const auto name = [&](const char* what) {
    return fmt::format("{} in place of {} {} at byte {}", what, count, name_of(data_type_of<T>()),
                       offset);
  };
  for (const Reduction reduction : kReductions) {
    mine.fill(me);
    ranks.all_reduce(part, reduction).wait();
    mine.expect(name("all_reduce"),
                [&](std::size_t i) { return reduced<T>(ranks.size(), i, reduction); });
    for (const int root : {0, ranks.size() - 1}) {
      mine.fill(me);
      ranks.reduce(part, root, reduction).wait();
      mine.expect(name("reduce"), [&](std::size_t i) {
        return me == root ? reduced<T>(ranks.size(), i, reduction) : value_of<T>(me, i);
      });
    }
  }
  for (const int root : {0, ranks.size() - 1}) {
    mine.fill(me);
    ranks.broadcast(part, root).wait();
    mine.expect(name("broadcast"), [&](std::size_t i) { return value_of<T>(root, i); });
  }

  const BufferPart blocks = buffer.part<T>(count * size, offset);
  Elements<T> all(blocks.data(), count * size);
  all.fill(me);
  ranks.all_gather(blocks).wait();
  all.expect(name("all_gather"),
             [&](std::size_t i) { return value_of<T>(static_cast<int>(i / count), i); });
  for (const Reduction reduction : kReductions) {
    all.fill(me);
    ranks.reduce_scatter(blocks, reduction).wait();
    all.expect(name("reduce_scatter"), [&](std::size_t i) {
      return i / count == static_cast<std::size_t>(me) ? reduced<T>(ranks.size(), i, reduction)
                                                       : value_of<T>(me, i);
    });
  }
}

template <Element T>
void check_staged(Communicator& ranks, std::size_t count, std::size_t misalignment) {
  const int me = ranks.rank();
  const auto size = static_cast<std::size_t>(ranks.size());
  const DataType type = data_type_of<T>();
  Heap heap(count * sizeof(T), misalignment);
  Heap heap_of_all(count * size * sizeof(T), misalignment);
  Elements<T> mine(heap.data(), count);
  Elements<T> all(heap_of_all.data(), count * size);
  const auto name = [&](const char* what) {
    return fmt::format("{} of {} {} at misalignment {}", what, count, name_of(type), misalignment);
  };
  for (const Reduction reduction : kReductions) {
    mine.fill(me);
    ranks.all_reduce(mine.data(), type, count, reduction).wait();
    mine.expect(name("all_reduce"),
                [&](std::size_t i) { return reduced<T>(ranks.size(), i, reduction); });
    const int root = ranks.size() - 1;
    mine.fill(me);
    ranks.reduce(mine.data(), type, count, root, reduction).wait();
    mine.expect(name("reduce"), [&](std::size_t i) {
      return me == root ? reduced<T>(ranks.size(), i, reduction) : value_of<T>(me, i);
    });
    all.fill(me);
    ranks.reduce_scatter(all.data(), count * size, mine.data(), count, type, reduction).wait();
    mine.expect(name("reduce_scatter"), [&](std::size_t i) {
      return reduced<T>(ranks.size(), i + static_cast<std::size_t>(me) * count, reduction);
    });
    all.expect(name("reduce_scatter's input"), [&](std::size_t i) { return value_of<T>(me, i); });
  }
  const int root = ranks.size() / 2;
  mine.fill(me);
  ranks.broadcast(mine.data(), type, count, root).wait();
  mine.expect(name("broadcast"), [&](std::size_t i) { return value_of<T>(root, i); });
  mine.fill(me, static_cast<std::size_t>(me) * count);
  ranks.all_gather(mine.data(), count, all.data(), count * size, type).wait();
  all.expect(name("all_gather"),
             [&](std::size_t i) { return value_of<T>(static_cast<int>(i / count), i); });
}

template <Element T>
void check_type(Communicator& ranks) {
  const std::size_t page = 4096 / sizeof(T);
  const std::size_t sizes[] = {0, 1, 15, 16, 17, page - 1, page, page + 1, 9999, 70'001};
  const Buffer buffer =
      ranks.allocate(70'001 * sizeof(T) * static_cast<std::size_t>(ranks.size()) + 64);
  for (const std::size_t count : sizes) {
    for (const std::size_t offset : {0U, 1U, 12U}) {
      if (count > 10'000 && offset == 12) continue;
      check_in_place<T>(ranks, buffer, count, offset);
      check_staged<T>(ranks, count, offset);
    }
  }
}

template <Element T>
std::uint64_t hash_of(const std::vector<T>& values) {
  std::uint64_t hash = 1;
  for (const T& value : values) {
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    hash = (hash ^ word) * 0x100000001b3ULL;
  }
  return hash;
}

template <Element T>
void check_bytes_of(Communicator& ranks) {
  constexpr std::size_t kCount = 40'003;
  const auto size = static_cast<std::size_t>(ranks.size());
  std::vector<std::vector<T>> inputs;
  for (std::size_t rank = 0; rank < size; ++rank)
    inputs.push_back(random_values<T>(kCount, 77 + rank));
  const auto mine = inputs[static_cast<std::size_t>(ranks.rank())];
  const Buffer buffer = ranks.allocate(kCount * sizeof(T));
  for (const Reduction reduction : kReductions) {
    std::vector<T> first;
    for (int run = 0; run < 3; ++run) {
      std::memcpy(buffer.data(), mine.data(), kCount * sizeof(T));
      ranks.all_reduce(buffer.part<T>(kCount), reduction).wait();
      const std::vector<T> found(buffer.as<T>().begin(), buffer.as<T>().begin() + kCount);
      if (run == 0) first = found;
      require(std::memcmp(first.data(), found.data(), kCount * sizeof(T)) == 0,
              "two runs gave different bytes");
    }
    const auto hash = static_cast<std::int64_t>(hash_of(first));
    std::vector<std::int64_t> hashes(size);
    ranks.all_gather(std::span(&hash, 1), std::span(hashes)).wait();
    for (const std::int64_t other : hashes)
      require(other == hash, "two ranks have different bytes");
    if (ranks.local_size() != ranks.size()) continue;
    for (std::size_t i = 0; i < kCount; ++i) {
      std::vector<T> column;
      for (const auto& input : inputs) column.push_back(input[i]);
      const T expected = reference_reduce<T>(reduction, column);
      const bool both_nan = expected != expected && first[i] != first[i];
      require(both_nan || std::memcmp(&expected, &first[i], sizeof(T)) == 0,
              fmt::format("{} {}: element {} is not the sum in rank order", name_of(reduction),
                          name_of(data_type_of<T>()), i));
    }
  }
}

template <class Error, class Action>
void require_error(const char* what, Action action) {
  try {
    action();
  } catch (const Error&) {
    return;
  }
  throw std::runtime_error(std::string(what) + " is no error");
}

}  // namespace

void check_collectives(Communicator& ranks) {
  check_type<float>(ranks);
  check_type<double>(ranks);
  check_type<Bfloat16>(ranks);
  check_type<std::int64_t>(ranks);
  for (int i = 0; i < 100; ++i) ranks.barrier().wait();
}

void check_large(Communicator& ranks, std::size_t bytes) {
  const std::size_t count = bytes / sizeof(float);
  const Buffer buffer = ranks.allocate(bytes);
  Elements<float> mine(buffer.data(), count);
  mine.fill(ranks.rank());
  std::vector<float> copy(buffer.as<float>().begin(), buffer.as<float>().end());
  Work in_place = ranks.all_reduce(buffer.part<float>(count), Reduction::kSum);
  Work staged = ranks.all_reduce(std::span(copy), Reduction::kSum);
  staged.wait();
  in_place.wait();
  std::vector<float> expected(13);
  for (std::size_t i = 0; i < 13; ++i)
    expected[i] = reduced<float>(ranks.size(), i, Reduction::kSum);
  const auto of = [&](std::size_t i) { return expected[i % 13]; };
  mine.expect("a large all_reduce in place", of);
  Elements<float>(reinterpret_cast<std::byte*>(copy.data()), count)
      .expect("a large all_reduce, staged", of);
}

void check_bytes(Communicator& ranks) {
  check_bytes_of<float>(ranks);
  check_bytes_of<double>(ranks);
  check_bytes_of<std::int64_t>(ranks);
}

void check_back_to_back(Communicator& ranks) {
  constexpr std::size_t kCount = 10'007;
  const Buffer buffer = ranks.allocate(kCount * sizeof(float));
  Elements<float> mine(buffer.data(), kCount);
  std::vector<float> few(5);
  for (std::size_t round = 0; round < 300; ++round) {
    mine.fill(ranks.rank(), 0, round);
    ranks.all_reduce(buffer.part<float>(kCount)).wait();
    mine.expect("all_reduce back to back", [&](std::size_t i) {
      return reduced<float>(ranks.size(), i, Reduction::kSum, round);
    });
  }
  for (std::size_t round = 0; round < 3000; ++round) {
    Elements<float> elements(reinterpret_cast<std::byte*>(few.data()), few.size());
    elements.fill(ranks.rank(), 0, round);
    ranks.all_reduce(std::span(few), Reduction::kMax).wait();
    elements.expect("small all_reduce back to back", [&](std::size_t i) {
      return reduced<float>(ranks.size(), i, Reduction::kMax, round);
    });
    mine.fill(ranks.rank(), 0, round);
    Work work = ranks.all_reduce(buffer.part<float>(16, round % 64));
    work.wait();
    if (round % 100 == 0)
      require(std::isfinite(buffer.as<float>()[0]), "a small all_reduce in place went wrong");
  }
}

void check_asynchronous(Communicator& ranks) {
  constexpr std::size_t kBuckets = 200;  // more than may be under way at once
  constexpr std::size_t kCount = 301;
  const Buffer buffer = ranks.allocate(kBuckets * kCount * sizeof(double));
  for (int round = 0; round < 3; ++round) {
    std::vector<Work> works;
    std::vector<Elements<double>> parts;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      const BufferPart part = buffer.part<double>(kCount, bucket * kCount * sizeof(double));
      parts.emplace_back(part.data(), kCount);
      parts.back().fill(ranks.rank(), 0, bucket);
      works.push_back(ranks.all_reduce(part, Reduction::kMean));
    }
    if (round == 0) {
      for (Work& work : works) work.wait();
    } else if (round == 1) {
      for (auto work = works.rbegin(); work != works.rend(); ++work) work->wait();
    } else {
      for (Work& work : works) {
        while (!work.done()) {
        }
      }
    }
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      parts[bucket].expect("one of many", [&](std::size_t i) {
        return reduced<double>(ranks.size(), i, Reduction::kMean, bucket);
      });
    }
  }
  // Given up: the span is not touched any more, those behind it are right.
  std::vector<float> given_up(1000, static_cast<float>(ranks.rank()));
  static_cast<void>(ranks.all_reduce(std::span(given_up)));
  std::vector<float> wanted(1000, 1.0F);
  std::vector<float> both(1000, 2.0F);
  Work first = ranks.all_reduce(std::span(wanted));
  Work second = ranks.all_reduce(std::span(both));
  second.wait();
  first.wait();
  for (const float value : given_up)
    require(value == static_cast<float>(ranks.rank()), "a span that was given up was written to");
  for (const float value : wanted)
    require(value == static_cast<float>(ranks.size()), "behind one given up");
  for (const float value : both)
    require(value == 2.0F * static_cast<float>(ranks.size()), "the second behind one given up");
  // Two Buffers, one destroyed while its Work is under way.
  Work work;
  {
    const Buffer short_lived = ranks.allocate(8000);
    short_lived.as<float>()[0] = 1.0F;
    work = ranks.all_reduce(short_lived.part<float>(2000));
  }
  work.wait();
}

void check_messages(Communicator& ranks) {
  const int size = ranks.size();
  const int next = (ranks.rank() + 1) % size;
  const int previous = (ranks.rank() + size - 1) % size;
  for (const std::size_t count : {0U, 1U, 17U, 5000U, 300'000U}) {
    std::vector<float> out(count);
    std::vector<float> in(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = value_of<float>(ranks.rank(), i);
    // All send first: nothing may hang, however large.
    Work sending = ranks.send(std::span<const float>(out), next);
    Work receiving = ranks.recv(std::span(in), previous);
    sending.wait();
    receiving.wait();
    for (std::size_t i = 0; i < count; ++i)
      require(in[i] == value_of<float>(previous, i), "a message around the ring");
  }
  // To everybody, in order, received from the last to the first.
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(size) * 20);
  std::vector<Work> works;
  std::vector<std::int64_t> mine(20);
  for (std::size_t i = 0; i < 20; ++i) mine[i] = ranks.rank() * 100 + static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < 20; ++i) {
    for (int to = 0; to < size; ++to)
      works.push_back(ranks.send(std::span<const std::int64_t>(&mine[i], 1), to));
  }
  for (int from = size - 1; from >= 0; --from) {
    for (std::size_t i = 0; i < 20; ++i)
      ranks.recv(std::span(&numbers[static_cast<std::size_t>(from) * 20 + i], 1), from).wait();
  }
  for (Work& work : works) work.wait();
  for (int from = 0; from < size; ++from) {
    for (std::size_t i = 0; i < 20; ++i)
      require(numbers[static_cast<std::size_t>(from) * 20 + i] ==
                  from * 100 + static_cast<std::int64_t>(i),
              "messages of a pair out of order");
  }
  ranks.barrier().wait();
}

void check_bad_calls(Communicator& ranks) {
  using core::InvalidArgument;
  const Buffer buffer = ranks.allocate(100);
  require_error<InvalidArgument>("a part outside", [&] { buffer.part<float>(26); });
  require_error<InvalidArgument>("a part far outside", [&] { buffer.part<float>(1, 1000); });
  require_error<InvalidArgument>(
      "a root outside", [&] { ranks.broadcast(buffer.part<float>(1), ranks.size()).wait(); });
  require_error<InvalidArgument>("a negative root",
                                 [&] { ranks.reduce(buffer.part<float>(1), -1).wait(); });
  require_error<InvalidArgument>("a buffer of nobody", [&] {
    ranks.all_reduce(BufferPart(Buffer(), DataType::kFloat32, 0, 0)).wait();
  });
  std::vector<float> values(3);
  require_error<InvalidArgument>("a message to nobody", [&] {
    ranks.send(std::span<const float>(values), ranks.size()).wait();
  });
  std::vector<float> all(static_cast<std::size_t>(ranks.size()) * 3 + 1);
  require_error<InvalidArgument>("blocks that do not fit", [&] {
    ranks.all_gather(std::span<const float>(values), std::span(all)).wait();
  });
  require_error<InvalidArgument>("a null pointer", [&] {
    ranks.all_reduce(nullptr, DataType::kFloat32, 1, Reduction::kSum).wait();
  });
  // None of them has cost the group anything.
  ranks.barrier().wait();
}

}  // namespace mutirao::comm
