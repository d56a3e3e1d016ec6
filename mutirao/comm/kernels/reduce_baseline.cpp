#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {
namespace {
namespace baseline {

constexpr std::size_t kVectorBytes = 16;

#include "mutirao/comm/internal/reduce_kernels_portable.hpp"

}  // namespace baseline
}  // namespace

extern const ReduceKernels kReduceKernelsBaseline = {.reduce = baseline::reduce};

}  // namespace mutirao::comm::internal
