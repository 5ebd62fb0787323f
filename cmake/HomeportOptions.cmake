# Compiler settings shared by every target, and the switches the presets turn.

option(HOMEPORT_SERVICES "Build what needs gRPC, Redis and PostgreSQL (off: the pure libraries only)" ON)
option(HOMEPORT_TESTS "Build the tests" ON)
option(HOMEPORT_FUZZ "Build the libFuzzer targets (clang only)" OFF)
set(HOMEPORT_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

find_program(HOMEPORT_CCACHE ccache)
if(HOMEPORT_CCACHE)
  # Paths relative to the checkout, so that every clone of it finds the same results.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
    CCACHE_NOHASHDIR=1 "${HOMEPORT_CCACHE}")
endif()

add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
add_library(homeport_flags INTERFACE)
target_compile_options(homeport_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wshadow
  -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports these in the standard library's own inlined code under sanitizers.
  target_compile_options(homeport_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict
    -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(HOMEPORT_FUZZ)
  # Everywhere: a fuzzer sees only the branches of what is compiled so.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(HOMEPORT_SANITIZE)
  add_compile_options(-fsanitize=${HOMEPORT_SANITIZE} -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${HOMEPORT_SANITIZE})
  if(HOMEPORT_SANITIZE STREQUAL "thread")
    # Protobuf's map_field.h gives its classes two more members where it sees the sanitizer, which
    # Debian's library does not have: a message with a map would break the heap. libstdc++ may see it.
    add_compile_options(-U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  endif()
endif()
