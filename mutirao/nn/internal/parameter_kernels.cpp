#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {

extern const ParameterKernels<float> kFloatKernelsBaseline, kFloatKernelsAvx2, kFloatKernelsAvx512;
extern const ParameterKernels<double> kDoubleKernelsBaseline, kDoubleKernelsAvx2,
    kDoubleKernelsAvx512;

template <>
const ParameterKernels<float>& parameter_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kFloatKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kFloatKernelsAvx2;
    default:
      return kFloatKernelsBaseline;
  }
}

template <>
const ParameterKernels<double>& parameter_kernels(core::InstructionSet set) {
  switch (set) {
    case core::InstructionSet::kAvx512:
      return kDoubleKernelsAvx512;
    case core::InstructionSet::kAvx2:
      return kDoubleKernelsAvx2;
    default:
      return kDoubleKernelsBaseline;
  }
}

}  // namespace mutirao::nn::internal
