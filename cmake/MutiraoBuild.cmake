# How every target of this project is built. A project that consumes mutirao never sees these options.
option(MUTIRAO_DEVELOPER "Warnings as errors and assertions in optimised builds" OFF)
option(MUTIRAO_CLANG_TIDY "Run clang-tidy on every file" OFF)
set(MUTIRAO_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(mutirao_build INTERFACE)
target_compile_features(mutirao_build INTERFACE cxx_std_20)
# -ffp-contract=off: the same bytes whatever the instruction set. x86-64-v2 is the oldest processor that the shipped build runs on.
target_compile_options(mutirao_build INTERFACE -Wall -Wextra -Wno-missing-field-initializers -ffp-contract=off)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(mutirao_build INTERFACE -march=x86-64-v2)
endif()
target_link_options(mutirao_build INTERFACE -Wl,--build-id)
if(MUTIRAO_DEVELOPER)
  target_compile_options(mutirao_build INTERFACE -Werror -UNDEBUG)
endif()
if(MUTIRAO_SANITIZE)
  # GCC, instrumenting, warns of its own <regex>.
  target_compile_options(mutirao_build INTERFACE -fsanitize=${MUTIRAO_SANITIZE} -fno-omit-frame-pointer
                         -Wno-error=maybe-uninitialized)
  target_link_options(mutirao_build INTERFACE -fsanitize=${MUTIRAO_SANITIZE})
  if(MUTIRAO_SANITIZE MATCHES "thread")
    # GCC warns that ThreadSanitizer does not know fences, which Asio's headers have.
    target_compile_options(mutirao_build INTERFACE -Wno-tsan)
  endif()
endif()

find_program(MUTIRAO_CCACHE ccache)
if(MUTIRAO_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${MUTIRAO_CCACHE}")
endif()

# mutirao_module(<name> DEPENDS <modules below> LINK_PUBLIC <libraries seen in headers> LINK_PRIVATE <libraries in .cpp only>)
# One folder = one namespace = one target mutirao::<name>. Files in kernels/*_avx2.cpp and *_avx512.cpp get their instruction set.
function(mutirao_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_PUBLIC;LINK_PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "*.cpp" "internal/*.cpp" "kernels/*.cpp")
  file(GLOB headers CONFIGURE_DEPENDS "*.hpp")
  add_library(mutirao_${name} ${sources})
  # Public headers: installed, and each compiled alone by the target all_verify_interface_header_sets.
  target_sources(mutirao_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  add_library(mutirao::${name} ALIAS mutirao_${name})
  set_target_properties(mutirao_${name} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME mutirao_${name}
                        POSITION_INDEPENDENT_CODE ON VERIFY_INTERFACE_HEADER_SETS ON)
  target_compile_features(mutirao_${name} PUBLIC cxx_std_20)
  target_include_directories(mutirao_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>
    $<INSTALL_INTERFACE:include>)
  list(TRANSFORM ARG_DEPENDS PREPEND "mutirao::")
  target_link_libraries(mutirao_${name} PUBLIC ${ARG_DEPENDS} ${ARG_LINK_PUBLIC}
                        PRIVATE $<BUILD_INTERFACE:mutirao_build> ${ARG_LINK_PRIVATE})
  foreach(source IN LISTS sources)
    if(source MATCHES "_avx2\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-march=x86-64-v3")
    elseif(source MATCHES "_avx512\\.cpp$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-march=x86-64-v4;-mavx512vbmi;-mavx512vbmi2")
    endif()
  endforeach()
  mutirao_tidy(mutirao_${name})
  set_property(GLOBAL APPEND PROPERTY MUTIRAO_MODULES ${name})
endfunction()

# Everything that is ours but not a module: programs, tests, benches.
function(mutirao_program_options target)
  target_link_libraries(${target} PRIVATE mutirao_build)
  mutirao_tidy(${target})
endfunction()

function(mutirao_tidy target)
  if(MUTIRAO_CLANG_TIDY)
    find_program(MUTIRAO_CLANG_TIDY_PROGRAM clang-tidy REQUIRED)
    set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "${MUTIRAO_CLANG_TIDY_PROGRAM};--quiet")
  endif()
endfunction()

# mutirao_precompile_torch(<target>): reads LibTorch's headers once for the whole target; they are most of what its files take to compile.
# Each file still includes what it uses: clang-tidy reads it as it stands.
function(mutirao_precompile_torch target)
  if(NOT MUTIRAO_CLANG_TIDY)
    target_precompile_headers(${target} PRIVATE <torch/torch.h>)
  endif()
endfunction()
