#pragma once

// The portable kernels, in namespace mutirao::comm::internal: each kernels/*.cpp includes them
// inside a namespace of its own there, with kVectorBytes defined: the same element-wise operations
// on vectors as wide as that instruction set's registers. Nothing here depends on the width, so
// neither do the results.

/// A vector of kVectorBytes bytes of T, or of as many T as a vector of Wide has.
template <class T, std::size_t kLanes>
struct VectorOf {
  using Type [[gnu::vector_size(sizeof(T) * kLanes)]] = T;
};

template <class V>
[[gnu::always_inline]] inline V load(const std::byte* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class V>
[[gnu::always_inline]] inline void store(std::byte* to, V value) {
  std::memcpy(to, &value, sizeof value);
}

/// How a type lies in memory (Stored), what it is added in (Sum), both kLanes wide.
template <class T>
struct Plain {
  static constexpr std::size_t kLanes = kVectorBytes / sizeof(T);
  static constexpr std::size_t kBytes = sizeof(T);
  using Scalar = T;
  using Sum = typename VectorOf<T, kLanes>::Type;
  [[gnu::always_inline]] static Sum read(const std::byte* from) { return load<Sum>(from); }
  [[gnu::always_inline]] static void write(std::byte* to, Sum value) { store(to, value); }
};

struct Brain {
  static constexpr std::size_t kLanes = kVectorBytes / sizeof(float);
  static constexpr std::size_t kBytes = 2;
  using Scalar = float;
  using Sum = VectorOf<float, kLanes>::Type;
  using Words = VectorOf<std::uint32_t, kLanes>::Type;
  using Halves = VectorOf<std::uint16_t, kLanes>::Type;
  [[gnu::always_inline]] static Sum read(const std::byte* from) {
    const Words words = __builtin_convertvector(load<Halves>(from), Words) << 16;
    Sum value;
    std::memcpy(&value, &words, sizeof value);
    return value;
  }
  [[gnu::always_inline]] static void write(std::byte* to, Sum value) {
    Words words;
    std::memcpy(&words, &value, sizeof words);
    const Words rounded = (words + 0x7fffU + ((words >> 16) & 1U)) >> 16;
    const Words quiet = (words >> 16) | 0x40U;
    const Words chosen = (words & 0x7fffffffU) > 0x7f800000U ? quiet : rounded;
    store(to, __builtin_convertvector(chosen, Halves));
  }
};

struct Add {
  template <class V>
  [[gnu::always_inline]] static V combine(V a, V b) {
    return a + b;
  }
};

// A comparison with a NaN is false: one in `a` stays, one in `b` is taken because b != b.
struct Least {
  template <class V>
  [[gnu::always_inline]] static V combine(V a, V b) {
    return (b < a) | (b != b) ? b : a;
  }
};

struct Greatest {
  template <class V>
  [[gnu::always_inline]] static V combine(V a, V b) {
    return (b > a) | (b != b) ? b : a;
  }
};

struct AsItIs {
  template <class V>
  [[gnu::always_inline]] V operator()(V value) const {
    return value;
  }
};

/// Rounds once, as a division does, where the divisor is a power of two.
template <class Scalar>
struct TimesExactReciprocal {
  Scalar factor;
  template <class V>
  [[gnu::always_inline]] V operator()(V value) const {
    return value * factor;
  }
};

template <class Scalar>
struct DividedBy {
  Scalar divisor;
  template <class V>
  [[gnu::always_inline]] V operator()(V value) const {
    return value / divisor;
  }
};

struct Arrays {
  const std::byte* const* sources;
  std::size_t source_count;
  std::byte* const* destinations;
  std::size_t destination_count;
};

/// One vector from everybody, to everybody.
template <class Kind, class Operation, class Finish>
[[gnu::always_inline]] inline void step(const Arrays& arrays, std::size_t offset,
                                        const Finish& finish) {
  auto value = Kind::read(arrays.sources[0] + offset);
  for (std::size_t i = 1; i < arrays.source_count; ++i)
    value = Operation::combine(value, Kind::read(arrays.sources[i] + offset));
  value = finish(value);
  for (std::size_t i = 0; i < arrays.destination_count; ++i)
    Kind::write(arrays.destinations[i] + offset, value);
}

template <class Kind, class Operation, class Finish>
void combine_all(const Arrays& arrays, std::size_t count, const Finish& finish) {
  constexpr std::size_t kStep = Kind::kLanes * Kind::kBytes;
  const std::size_t whole = count / Kind::kLanes * kStep;
  std::size_t offset = 0;
  if (arrays.source_count == 2 && arrays.destination_count == 2) {
    // The commonest case, with its pointers in registers. Each vector is read from both before it
    // is written to either, so a destination may be a source.
    const std::byte* const a = arrays.sources[0];
    const std::byte* const b = arrays.sources[1];
    std::byte* const to_a = arrays.destinations[0];
    std::byte* const to_b = arrays.destinations[1];
    for (; offset < whole; offset += kStep) {
      const auto value = finish(Operation::combine(Kind::read(a + offset), Kind::read(b + offset)));
      Kind::write(to_a + offset, value);
      Kind::write(to_b + offset, value);
    }
  }
  for (; offset < whole; offset += kStep) step<Kind, Operation>(arrays, offset, finish);

  // What is left goes through a vector of its own, filled up with ones.
  const std::size_t rest = (count - whole / kStep * Kind::kLanes) * Kind::kBytes;
  if (rest == 0) return;
  alignas(kVectorBytes) std::byte padded[kStep];
  const auto read_rest = [&](const std::byte* from) {
    std::memset(padded, 0x3f, sizeof padded);
    std::memcpy(padded, from + offset, rest);
    return Kind::read(padded);
  };
  auto value = read_rest(arrays.sources[0]);
  for (std::size_t i = 1; i < arrays.source_count; ++i)
    value = Operation::combine(value, read_rest(arrays.sources[i]));
  Kind::write(padded, finish(value));
  for (std::size_t i = 0; i < arrays.destination_count; ++i)
    std::memcpy(arrays.destinations[i] + offset, padded, rest);
}

template <class Kind>
void reduce_kind(Reduction reduction, std::size_t divisor, const Arrays& arrays,
                 std::size_t count) {
  using Scalar = typename Kind::Scalar;
  switch (reduction) {
    case Reduction::kSum:
      return combine_all<Kind, Add>(arrays, count, AsItIs{});
    case Reduction::kMean:
      if (divisor == 1) return combine_all<Kind, Add>(arrays, count, AsItIs{});
      if constexpr (std::is_floating_point_v<Scalar>) {
        if (std::has_single_bit(divisor))
          return combine_all<Kind, Add>(
              arrays, count,
              TimesExactReciprocal<Scalar>{Scalar{1} / static_cast<Scalar>(divisor)});
      }
      return combine_all<Kind, Add>(arrays, count, DividedBy<Scalar>{static_cast<Scalar>(divisor)});
    case Reduction::kMin:
      return combine_all<Kind, Least>(arrays, count, AsItIs{});
    case Reduction::kMax:
      return combine_all<Kind, Greatest>(arrays, count, AsItIs{});
  }
}

/// int64 adds without overflow being an error, so it adds as unsigned; all else is signed.
struct Integers : Plain<std::int64_t> {};
struct WrappingIntegers {
  static constexpr std::size_t kLanes = Integers::kLanes;
  static constexpr std::size_t kBytes = Integers::kBytes;
  using Scalar = std::uint64_t;
  using Sum = VectorOf<std::uint64_t, kLanes>::Type;
  [[gnu::always_inline]] static Sum read(const std::byte* from) { return load<Sum>(from); }
  [[gnu::always_inline]] static void write(std::byte* to, Sum value) { store(to, value); }
};

struct SignedQuotient {
  std::int64_t divisor;
  template <class V>
  [[gnu::always_inline]] V operator()(V value) const {
    for (std::size_t i = 0; i < Integers::kLanes; ++i)
      value[i] = static_cast<std::uint64_t>(static_cast<std::int64_t>(value[i]) / divisor);
    return value;
  }
};

inline void reduce_integers(Reduction reduction, std::size_t divisor, const Arrays& arrays,
                            std::size_t count) {
  switch (reduction) {
    case Reduction::kSum:
      return combine_all<WrappingIntegers, Add>(arrays, count, AsItIs{});
    case Reduction::kMean:
      return combine_all<WrappingIntegers, Add>(arrays, count,
                                                SignedQuotient{static_cast<std::int64_t>(divisor)});
    case Reduction::kMin:
      return combine_all<Integers, Least>(arrays, count, AsItIs{});
    case Reduction::kMax:
      return combine_all<Integers, Greatest>(arrays, count, AsItIs{});
  }
}

inline void reduce(DataType type, Reduction reduction, std::size_t divisor,
                   const std::byte* const* sources, std::size_t source_count,
                   std::byte* const* destinations, std::size_t destination_count,
                   std::size_t count) {
  const Arrays arrays{sources, source_count, destinations, destination_count};
  switch (type) {
    case DataType::kFloat32:
      return reduce_kind<Plain<float>>(reduction, divisor, arrays, count);
    case DataType::kFloat64:
      return reduce_kind<Plain<double>>(reduction, divisor, arrays, count);
    case DataType::kBfloat16:
      return reduce_kind<Brain>(reduction, divisor, arrays, count);
    case DataType::kInt64:
      return reduce_integers(reduction, divisor, arrays, count);
  }
}
