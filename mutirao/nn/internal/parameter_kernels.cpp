#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {

extern const ParameterKernels<float> kFloatKernelsBaseline, kFloatKernelsAvx2, kFloatKernelsAvx512;
extern const ParameterKernels<double> kDoubleKernelsBaseline, kDoubleKernelsAvx2,
    kDoubleKernelsAvx512;

template <>
const ParameterKernels<float>& parameter_kernels(core::InstructionSet set) {
  return core::built_for(set, kFloatKernelsBaseline, kFloatKernelsAvx2, kFloatKernelsAvx512);
}

template <>
const ParameterKernels<double>& parameter_kernels(core::InstructionSet set) {
  return core::built_for(set, kDoubleKernelsBaseline, kDoubleKernelsAvx2, kDoubleKernelsAvx512);
}

}  // namespace mutirao::nn::internal
