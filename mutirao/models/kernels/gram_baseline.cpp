#include "mutirao/models/internal/gram_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/gram_kernels_portable.hpp"

}  // namespace baseline
}  // namespace

extern const GramKernels kGramKernelsBaseline = {
    .add_gram = baseline::add_gram,
    .add_columns = baseline::add_columns,
    .add_products = baseline::add_products,
    .add_scores = baseline::add_scores,
    .add_slopes = baseline::add_slopes,
    .add_lower = baseline::add_lower,
    .add_lower_transposed = baseline::add_lower_transposed};

}  // namespace mutirao::models::internal
