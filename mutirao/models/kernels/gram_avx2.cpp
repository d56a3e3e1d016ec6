#include "mutirao/models/internal/gram_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/gram_kernels_portable.hpp"

}  // namespace avx2
}  // namespace

extern const GramKernels kGramKernelsAvx2 = {.add_gram = avx2::add_gram,
                                             .add_columns = avx2::add_columns,
                                             .add_products = avx2::add_products,
                                             .add_scores = avx2::add_scores,
                                             .add_slopes = avx2::add_slopes,
                                             .add_lower = avx2::add_lower,
                                             .add_lower_transposed = avx2::add_lower_transposed};

}  // namespace mutirao::models::internal
