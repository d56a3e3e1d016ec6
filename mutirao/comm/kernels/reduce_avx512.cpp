#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {
namespace {
namespace avx512 {

constexpr std::size_t kVectorBytes = 64;

#include "mutirao/comm/internal/reduce_kernels_portable.hpp"

}  // namespace avx512
}  // namespace

extern const ReduceKernels kReduceKernelsAvx512 = {.reduce = avx512::reduce};

}  // namespace mutirao::comm::internal
