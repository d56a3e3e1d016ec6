#include "mutirao/models/internal/logistic_kernels.hpp"

namespace mutirao::models::internal {

extern const LogisticKernels kLogisticKernelsBaseline;
extern const LogisticKernels kLogisticKernelsAvx2;

const LogisticKernels& logistic_kernels(core::InstructionSet set) {
  // As for the Gram kernels, four lanes are enough.
  return set == core::InstructionSet::kBaseline ? kLogisticKernelsBaseline : kLogisticKernelsAvx2;
}

}  // namespace mutirao::models::internal
