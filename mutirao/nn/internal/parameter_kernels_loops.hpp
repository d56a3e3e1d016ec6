#pragma once

// The loops themselves. Included by each of kernels/parameter_*.cpp inside a namespace of its own
// below namespace mutirao::nn::internal, so that each is compiled for its own instruction set.

template <class T>
void sgd(T* parameter, const T* gradient, T* velocity, std::size_t count, const SgdStep& step) {
  const T minus_rate = static_cast<T>(-step.rate);
  const T decay = static_cast<T>(step.weight_decay);
  if (velocity == nullptr) {
    if (step.weight_decay == 0.0) {
      for (std::size_t i = 0; i < count; ++i) parameter[i] += minus_rate * gradient[i];
    } else {
      for (std::size_t i = 0; i < count; ++i)
        parameter[i] += minus_rate * (gradient[i] + decay * parameter[i]);
    }
    return;
  }
  const T momentum = static_cast<T>(step.momentum);
  const T kept = step.first ? T{0} : momentum;
  const T taken = step.first ? T{1} : static_cast<T>(1.0 - step.dampening);
  if (step.nesterov) {
    for (std::size_t i = 0; i < count; ++i) {
      const T slope = gradient[i] + decay * parameter[i];
      velocity[i] = velocity[i] * kept + taken * slope;
      parameter[i] += minus_rate * (slope + momentum * velocity[i]);
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const T slope = gradient[i] + decay * parameter[i];
      velocity[i] = velocity[i] * kept + taken * slope;
      parameter[i] += minus_rate * velocity[i];
    }
  }
}

template <class T>
void adamw(T* parameter, const T* gradient, T* mean, T* square, T* greatest, std::size_t count,
           const AdamWStep& step) {
  const double correction1 = 1.0 - std::pow(step.beta1, step.step);
  const T correction2 = static_cast<T>(std::sqrt(1.0 - std::pow(step.beta2, step.step)));
  const T minus_size = static_cast<T>(-step.rate / correction1);
  const T kept = static_cast<T>(1.0 - step.rate * step.weight_decay);
  const T beta1 = static_cast<T>(step.beta1), rest1 = static_cast<T>(1.0 - step.beta1);
  const T beta2 = static_cast<T>(step.beta2), rest2 = static_cast<T>(1.0 - step.beta2);
  const T epsilon = static_cast<T>(step.epsilon);
  if (greatest == nullptr) {
    for (std::size_t i = 0; i < count; ++i) {
      const T slope = gradient[i];
      mean[i] = mean[i] * beta1 + rest1 * slope;
      square[i] = square[i] * beta2 + rest2 * slope * slope;
      const T divisor = std::sqrt(square[i]) / correction2 + epsilon;
      parameter[i] = parameter[i] * kept + minus_size * mean[i] / divisor;
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const T slope = gradient[i];
      mean[i] = mean[i] * beta1 + rest1 * slope;
      square[i] = square[i] * beta2 + rest2 * slope * slope;
      greatest[i] = greatest[i] < square[i] ? square[i] : greatest[i];
      const T divisor = std::sqrt(greatest[i]) / correction2 + epsilon;
      parameter[i] = parameter[i] * kept + minus_size * mean[i] / divisor;
    }
  }
}

template <class T>
struct Bits;
template <>
struct Bits<float> {
  using Word [[gnu::may_alias]] = std::uint32_t;
  static constexpr std::uint32_t kExponent = 0x7f800000U;
};
template <>
struct Bits<double> {
  using Word [[gnu::may_alias]] = std::int64_t;
  static constexpr std::int64_t kExponent = 0x7ff0000000000000;
};

// Infinite and NaN are the values whose exponent is all ones.
template <class T>
bool all_finite(const T* values, std::size_t count) {
  using Word = typename Bits<T>::Word;
  const auto* words = reinterpret_cast<const Word*>(values);
  auto largest = Bits<T>::kExponent ^ Bits<T>::kExponent;
  for (std::size_t i = 0; i < count; ++i) {
    const auto exponent = words[i] & Bits<T>::kExponent;
    largest = largest < exponent ? exponent : largest;
  }
  return largest < Bits<T>::kExponent;
}

template <class T>
bool copy(T* to, const T* from, std::size_t count) {
  using Word = typename Bits<T>::Word;
  auto* __restrict target = reinterpret_cast<Word*>(to);
  const auto* __restrict words = reinterpret_cast<const Word*>(from);
  auto largest = Bits<T>::kExponent ^ Bits<T>::kExponent;
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = words[i];
    target[i] = word;
    const auto exponent = word & Bits<T>::kExponent;
    largest = largest < exponent ? exponent : largest;
  }
  return largest < Bits<T>::kExponent;
}

template <class T>
double sum_of_squares(const T* values, std::size_t count) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      sums[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) {
    const double value = values[i];
    sums[lane] += value * value;
  }
  double sum = 0.0;
  for (const double part : sums) sum += part;
  return sum;
}

template <class T>
void scale(T* values, std::size_t count, double factor) {
  const T by = static_cast<T>(factor);
  for (std::size_t i = 0; i < count; ++i) values[i] *= by;
}

template <class T>
constexpr ParameterKernels<T> kernels() {
  return {.sgd = sgd<T>,
          .adamw = adamw<T>,
          .all_finite = all_finite<T>,
          .copy = copy<T>,
          .sum_of_squares = sum_of_squares<T>,
          .scale = scale<T>};
}
