#include <cmath>
#include <cstdint>

#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {
namespace {
namespace avx2 {

#include "mutirao/nn/internal/parameter_kernels_loops.hpp"

}  // namespace avx2
}  // namespace

extern const ParameterKernels<float> kFloatKernelsAvx2 = avx2::kernels<float>();
extern const ParameterKernels<double> kDoubleKernelsAvx2 = avx2::kernels<double>();

}  // namespace mutirao::nn::internal
