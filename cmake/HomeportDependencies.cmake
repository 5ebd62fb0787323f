# Third-party libraries, all from Debian 12. One imported target each; nothing is vendored.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(wslay REQUIRED)
# Debian's http-parser comes without a CMake or pkg-config file.
find_library(HTTP_PARSER_LIBRARY http_parser REQUIRED)
add_library(http_parser SHARED IMPORTED GLOBAL)
set_target_properties(http_parser PROPERTIES IMPORTED_LOCATION "${HTTP_PARSER_LIBRARY}")

if(HOMEPORT_SERVICES)
  set(protobuf_MODULE_COMPATIBLE ON)
  find_package(Protobuf REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
  find_package(prometheus-cpp CONFIG REQUIRED)
  find_package(civetweb CONFIG REQUIRED)
  # Debian's Hiredis and libpqxx CMake files are absent or broken; pkg-config works.
  pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
  pkg_check_modules(PQXX REQUIRED IMPORTED_TARGET libpqxx)
  pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
endif()
if(HOMEPORT_TESTS)
  find_package(Catch2 2.13 REQUIRED)
  pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
endif()
