# NCCL's and the CUDA runtime's headers and libraries. Sets NCCL_FOUND, NCCL_INCLUDE_DIR, NCCL_LIBRARY, CUDART_INCLUDE_DIR,
# CUDART_LIBRARY. Toolkits stand in /usr/local/cuda or where CUDA_PATH says.
set(toolkits $ENV{CUDA_PATH} /usr/local/cuda)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${toolkits} PATH_SUFFIXES include)
find_path(CUDART_INCLUDE_DIR cuda_runtime_api.h HINTS ${toolkits} PATH_SUFFIXES include)
find_library(NCCL_LIBRARY nccl HINTS ${toolkits} PATH_SUFFIXES lib64 lib)
find_library(CUDART_LIBRARY cudart HINTS ${toolkits} PATH_SUFFIXES lib64 lib)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_INCLUDE_DIR NCCL_LIBRARY CUDART_INCLUDE_DIR CUDART_LIBRARY)
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY CUDART_INCLUDE_DIR CUDART_LIBRARY)
