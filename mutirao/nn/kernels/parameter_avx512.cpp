#include <cmath>
#include <cstdint>

#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {
namespace {
namespace avx512 {

#include "mutirao/nn/internal/parameter_kernels_loops.hpp"

}  // namespace avx512
}  // namespace

extern const ParameterKernels<float> kFloatKernelsAvx512 = avx512::kernels<float>();
extern const ParameterKernels<double> kDoubleKernelsAvx512 = avx512::kernels<double>();

}  // namespace mutirao::nn::internal
