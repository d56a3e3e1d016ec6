#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {
namespace {
namespace avx2 {

constexpr std::size_t kVectorBytes = 32;

#include "mutirao/comm/internal/reduce_kernels_portable.hpp"

}  // namespace avx2
}  // namespace

extern const ReduceKernels kReduceKernelsAvx2 = {.reduce = avx2::reduce};

}  // namespace mutirao::comm::internal
