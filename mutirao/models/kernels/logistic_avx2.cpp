#include "mutirao/models/internal/logistic_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/logistic_kernels_portable.hpp"

}  // namespace avx2
}  // namespace

extern const LogisticKernels kLogisticKernelsAvx2 = {.take_loss = avx2::take_loss,
                                                     .take_curvature = avx2::take_curvature};

}  // namespace mutirao::models::internal
