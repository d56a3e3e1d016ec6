#include "mutirao/models/internal/logistic_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/logistic_kernels_portable.hpp"

}  // namespace baseline
}  // namespace

extern const LogisticKernels kLogisticKernelsBaseline = {
    .take_loss = baseline::take_loss, .take_curvature = baseline::take_curvature};

}  // namespace mutirao::models::internal
