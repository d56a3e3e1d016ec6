#pragma once

// The inner loops of logistic regression in portable vectors. Included by each file of kernels/
// inside a namespace of its own below namespace mutirao::models::internal, so that each is compiled
// for its own instruction set.

using Lanes = double __attribute__((vector_size(kGramLanes * sizeof(double))));
using Bits = std::uint64_t __attribute__((vector_size(kGramLanes * sizeof(double))));
using Mask = std::int64_t __attribute__((vector_size(kGramLanes * sizeof(double))));
using LanesInMemory =
    double __attribute__((vector_size(kGramLanes * sizeof(double)), aligned(8), may_alias));
static_assert(kGramLanes == 4);

#pragma GCC diagnostic ignored "-Wpsabi"  // all that takes or gives Lanes is inlined
#define MUTIRAO_INLINE inline __attribute__((always_inline))

MUTIRAO_INLINE Lanes load(const double* from) {
  return *reinterpret_cast<const LanesInMemory*>(from);
}

MUTIRAO_INLINE void store(const Lanes& lanes, double* to) {
  *reinterpret_cast<LanesInMemory*>(to) = lanes;
}

MUTIRAO_INLINE Bits bits_of(const Lanes& lanes) { return reinterpret_cast<const Bits&>(lanes); }
MUTIRAO_INLINE Lanes lanes_of(const Bits& bits) { return reinterpret_cast<const Lanes&>(bits); }

/// exp_of_negative() of exponential.hpp; what is no number stays none.
MUTIRAO_INLINE Lanes exp_of_negative(const Lanes& x) {
  constexpr double kLn2High = 0x1.62e42fefap-1;
  constexpr double kLn2Low = 0x1.cf79abc9e3b3ap-40;
  constexpr double kWhole = 0x1.8p52;  // added, it leaves whole numbers, in the lowest bits
  const Lanes above = x * 0x1.71547652b82fep+0 + kWhole;
  const Lanes k = above - kWhole;
  const Lanes r = (x - k * kLn2High) - k * kLn2Low;
  // Taylor's series in pairs (Estrin 1960), for the sums of one row to run beside each other.
  const Lanes r2 = r * r;
  const Lanes r4 = r2 * r2;
  const Lanes lowest = (1.0 + r) + (0.5 + r * (1.0 / 6.0)) * r2;
  const Lanes low = (1.0 / 24.0 + r * (1.0 / 120.0)) + (1.0 / 720.0 + r * (1.0 / 5040.0)) * r2;
  const Lanes high =
      (1.0 / 40320.0 + r * (1.0 / 362880.0)) + (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) * r2;
  const Lanes highest = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0);
  const Lanes sum = (lowest + low * r4) + (high + highest * r4) * (r4 * r4);
  const Lanes power = lanes_of((bits_of(above) + 1023) << 52);
  return x <= -708.0 ? Lanes{} : sum * power;
}

/// log_of_one_plus() of exponential.hpp.
MUTIRAO_INLINE Lanes log_of_one_plus(const Lanes& x) {
  constexpr double kTwoTo52 = 0x1p52;
  const Lanes whole = 1.0 + x;
  const Bits bits = bits_of(whole);
  Lanes m = lanes_of((bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);
  // The exponent as a number: in the lowest bits of 2^52.
  Lanes k = lanes_of((bits >> 52) | 0x4330000000000000ULL) - (kTwoTo52 + 1023.0);
  k = m > 1.4142135623730951 ? k + 1.0 : k;
  m = m > 1.4142135623730951 ? m * 0.5 : m;
  const Mask small = x <= 0.4;
  k = small ? Lanes{} : k;
  const Lanes t = (small ? x : m - 1.0) / (small ? 2.0 + x : m + 1.0);
  const Lanes square = t * t;
  constexpr double kSeries[] = {1.0 / 23.0, 1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0,
                                1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0,
                                1.0 / 7.0,  1.0 / 5.0,  1.0 / 3.0,  1.0};
  Lanes sum = Lanes{} + 1.0 / 25.0;
#pragma GCC unroll 16
  for (const double term : kSeries) sum = sum * square + term;
  const Lanes log = k * 0x1.62e42fefa39efp-1 + 2.0 * t * sum;
  return x < 0x1p1000 ? log : x;  // what is no number stays none
}

MUTIRAO_INLINE double added(const Lanes& lanes) {
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

double take_loss_of_one(double* scores, std::size_t rows, const std::uint32_t* classes,
                        const double* weights, double* probabilities, double* doubts) {
  Lanes loss = {};
  for (std::size_t k = 0; k < rows; k += kGramLanes) {
    const Lanes score = load(scores + k);
    const Lanes weight = load(weights + k);
    const Bits truth = {classes[k], classes[k + 1], classes[k + 2], classes[k + 3]};
    const Mask positive = score >= 0.0;
    const Lanes size = positive ? score : -score;
    const Lanes small = exp_of_negative(-size);
    const Lanes likely = 1.0 / (1.0 + small);
    const Lanes unlikely = small * likely;
    const Lanes probability = positive ? likely : unlikely;
    const Lanes other = positive ? unlikely : likely;
    const Mask one = truth == 1;
    const Lanes wrong = one ? -score : score;
    loss += weight * (log_of_one_plus(small) + (wrong > 0.0 ? wrong : Lanes{}));
    store(probability, probabilities + k);
    store(weight * (one ? -other : probability), scores + k);
    store(weight * unlikely, doubts + k);
  }
  return added(loss);
}

double take_loss(double* scores, std::size_t rows, std::size_t outputs,
                 const std::uint32_t* classes, const double* weights, double* probabilities,
                 double* doubts) {
  if (outputs == 1) return take_loss_of_one(scores, rows, classes, weights, probabilities, doubts);
  Lanes loss = {};
  for (std::size_t k = 0; k < rows; k += kGramLanes) {
    const Lanes weight = load(weights + k);
    double* truths[kGramLanes];
    Lanes own = {};
    for (std::size_t lane = 0; lane < kGramLanes; ++lane) {
      truths[lane] = scores + classes[k + lane] * rows + k + lane;
      own[lane] = *truths[lane];
    }
    Lanes highest = load(scores + k);
    for (std::size_t c = 1; c < outputs; ++c) {
      const Lanes score = load(scores + c * rows + k);
      highest = score > highest ? score : highest;
    }
    Lanes rest = {};  // what the exponentials sum to, beyond the highest one's 1
    Mask seen = {};
    for (std::size_t c = 0; c < outputs; ++c) {
      const Lanes score = load(scores + c * rows + k);
      const Lanes power = exp_of_negative(score - highest);
      const Mask top = (score == highest) & ~seen;
      rest += top ? Lanes{} : power;
      seen |= top;
      store(power, probabilities + c * rows + k);
    }
    const Lanes share = 1.0 / (1.0 + rest);
    for (std::size_t c = 0; c < outputs; ++c) {
      const Lanes probability = load(probabilities + c * rows + k) * share;
      store(probability, probabilities + c * rows + k);
      store(weight * probability, scores + c * rows + k);
    }
    const Lanes least = rest * share;
    const Lanes others = own == highest ? least : 1.0 - exp_of_negative(own - highest) * share;
    const Lanes slope = weight * -others;
    for (std::size_t lane = 0; lane < kGramLanes; ++lane) *truths[lane] = slope[lane];
    loss += weight * (log_of_one_plus(rest) + (highest - own));
    store(weight * least, doubts + k);
  }
  return added(loss);
}

void take_curvature(const double* probabilities, const double* weights, std::size_t rows,
                    std::size_t outputs, double* scores) {
  for (std::size_t k = 0; k < rows; k += kGramLanes) {
    const Lanes weight = load(weights + k);
    if (outputs == 1) {
      const Lanes probability = load(probabilities + k);
      store(weight * probability * (1.0 - probability) * load(scores + k), scores + k);
      continue;
    }
    Lanes mean = {};
    for (std::size_t c = 0; c < outputs; ++c)
      mean += load(probabilities + c * rows + k) * load(scores + c * rows + k);
    for (std::size_t c = 0; c < outputs; ++c) {
      double* score = scores + c * rows + k;
      store(weight * load(probabilities + c * rows + k) * (load(score) - mean), score);
    }
  }
}

#undef MUTIRAO_INLINE
