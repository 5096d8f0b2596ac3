# How every target of the project is declared: warnings, sanitizers, Abseil flavour, tests.

find_package(absl REQUIRED)
find_package(GTest REQUIRED)
find_package(Threads REQUIRED)

find_program(XPOOL_CCACHE ccache)
if(XPOOL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${XPOOL_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${XPOOL_CCACHE})
endif()

option(XPOOL_WERROR "Treat warnings as errors" ON)
set(XPOOL_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined or thread")

if(XPOOL_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(XPOOL_WERROR OFF)  # g++ 12 warns of what is not there (in std::regex, std::vector) once code is instrumented
endif()

add_library(xpool_options INTERFACE)
target_include_directories(xpool_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(xpool_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers
  $<$<BOOL:${XPOOL_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
target_compile_definitions(xpool_options INTERFACE CL_TARGET_OPENCL_VERSION=300
  CL_USE_DEPRECATED_OPENCL_1_0_APIS CL_USE_DEPRECATED_OPENCL_1_1_APIS
  CL_USE_DEPRECATED_OPENCL_1_2_APIS CL_USE_DEPRECATED_OPENCL_2_0_APIS
  CL_USE_DEPRECATED_OPENCL_2_1_APIS CL_USE_DEPRECATED_OPENCL_2_2_APIS)
if(XPOOL_SANITIZE)
  # -O1 and lines alone: such a build takes half the time, and reports name the same lines.
  add_compile_options(-fsanitize=${XPOOL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${XPOOL_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND XPOOL_SANITIZE MATCHES address)
    add_compile_definitions(__SANITIZE_ADDRESS__)  # as g++ tells the code
  endif()
endif()

# Abseil comes as shared libraries to our own programs (gRPC uses the same ones) but statically to a library that is loaded
# into a user's process: such a target sets the property XPOOL_GUEST.
set(XPOOL_ABSL_ARCHIVES ${PROJECT_SOURCE_DIR}/build/deps/abseil CACHE PATH "Position-independent libabsl_*.a (tools/setup/abseil.sh)")
file(GLOB xpool_absl_archives ${XPOOL_ABSL_ARCHIVES}/libabsl_*.a)
if(NOT xpool_absl_archives)
  message(FATAL_ERROR "there are no libabsl_*.a in ${XPOOL_ABSL_ARCHIVES}; run tools/setup/abseil.sh (./dev does)")
endif()
add_library(xpool_absl INTERFACE)
set(xpool_absl_shared absl::statusor absl::status absl::strings absl::str_format absl::flat_hash_map absl::flat_hash_set
  absl::synchronization absl::base absl::time absl::inlined_vector absl::random_random absl::btree)
target_link_libraries(xpool_absl INTERFACE
  "$<IF:$<BOOL:$<TARGET_PROPERTY:XPOOL_GUEST>>,-Wl$<COMMA>--start-group;${xpool_absl_archives};-Wl$<COMMA>--end-group,${xpool_absl_shared}>")

# The same with OpenSSL, for the user's program may bring one of its own: a guest has its archives inside, and shows none
# of their symbols.
find_package(OpenSSL 3.0 REQUIRED)
get_filename_component(xpool_openssl_folder ${OPENSSL_SSL_LIBRARY} DIRECTORY)
foreach(archive ssl crypto)
  if(NOT EXISTS ${xpool_openssl_folder}/lib${archive}.a)
    message(FATAL_ERROR "there is no ${xpool_openssl_folder}/lib${archive}.a; install libssl-dev")
  endif()
endforeach()
add_library(xpool_openssl INTERFACE)
target_link_libraries(xpool_openssl INTERFACE
  "$<IF:$<BOOL:$<TARGET_PROPERTY:XPOOL_GUEST>>,${xpool_openssl_folder}/libssl.a;${xpool_openssl_folder}/libcrypto.a,OpenSSL::SSL;OpenSSL::Crypto>")

# Most of a compilation is the reading of the same system headers, so they are read once: for libraries, and for tests. Every
# source still includes what it uses: the presets with sanitizers build without. (What clang precompiles has paths in it,
# so that ccache would find nothing from another clone; and g++ 12 ends with an internal error with -fsanitize=thread.)
option(XPOOL_PCH "Read the common headers once (precompiled)" ON)
set(xpool_common_headers <algorithm> <atomic> <cstring> <functional> <map> <memory> <string> <thread> <vector>
  <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/strings/str_format.h>
  <absl/synchronization/mutex.h> <absl/time/clock.h>)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/library.cc CONTENT "")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/test.cc CONTENT "int main() { return 0; }\n")
add_library(xpool_library_headers STATIC ${CMAKE_BINARY_DIR}/pch/library.cc)
target_link_libraries(xpool_library_headers PRIVATE xpool_options xpool_absl)
add_executable(xpool_test_headers ${CMAKE_BINARY_DIR}/pch/test.cc)
target_link_libraries(xpool_test_headers PRIVATE xpool_options xpool_absl GTest::gtest GTest::gmock)
if(XPOOL_PCH)
  target_precompile_headers(xpool_library_headers PRIVATE ${xpool_common_headers})
  target_precompile_headers(xpool_test_headers PRIVATE ${xpool_common_headers} <filesystem> <fstream> <gmock/gmock.h> <gtest/gtest.h>)
endif()

# xpool_share_headers(TARGET FROM): the sources of TARGET start from the headers that FROM has read.
function(xpool_share_headers target from)
  if(XPOOL_PCH)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()

# xpool_uninstrumented(TARGET): with sanitizers, they do not look into the target's own sources. For those that parse a
# command line: CLI11 is templates, and each source would take a minute to compile.
function(xpool_uninstrumented target)
  if(XPOOL_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all -O0)
    set_target_properties(${target} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

# xpool_library(NAME SOURCES a.cc ... DEPS target ...): a static library of one folder.
function(xpool_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC xpool_options xpool_absl ${arg_DEPS} Threads::Threads)
  xpool_share_headers(${name} xpool_library_headers)
endfunction()

# xpool_guest_library(NAME SOURCES ... DEPS ... EXPORTS map): a shared library loaded into someone else's process.
function(xpool_guest_library name)
  cmake_parse_arguments(arg "" "EXPORTS" "SOURCES;DEPS" ${ARGN})
  add_library(${name} SHARED ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES XPOOL_GUEST ON LINK_DEPENDS ${arg_EXPORTS})
  target_link_libraries(${name} PRIVATE xpool_options ${arg_DEPS} xpool_absl Threads::Threads ${CMAKE_DL_LIBS})
  target_link_options(${name} PRIVATE -static-libgcc -Wl,--exclude-libs,ALL -Wl,--gc-sections
    -Wl,--version-script=${arg_EXPORTS} -Wl,-z,nodelete)
  if(NOT XPOOL_SANITIZE)
    target_link_options(${name} PRIVATE -static-libstdc++ -Wl,-z,defs)
  endif()
endfunction()

# xpool_program(NAME SOURCES ... DEPS ...)
function(xpool_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE xpool_options ${arg_DEPS})
endfunction()

# xpool_test(NAME SOURCES ... DEPS ... [LABELS ...] [TIMEOUT s]): a GoogleTest binary, one ctest entry.
function(xpool_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE xpool_options ${arg_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  xpool_share_headers(${name} xpool_test_headers)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
