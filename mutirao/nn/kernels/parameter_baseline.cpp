#include <cmath>
#include <cstdint>

#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {
namespace {
namespace baseline {

#include "mutirao/nn/internal/parameter_kernels_loops.hpp"

}  // namespace baseline
}  // namespace

extern const ParameterKernels<float> kFloatKernelsBaseline = baseline::kernels<float>();
extern const ParameterKernels<double> kDoubleKernelsBaseline = baseline::kernels<double>();

}  // namespace mutirao::nn::internal
