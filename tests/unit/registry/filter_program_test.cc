#include "services/registry/provisioning/filter_program.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "libs/base/clock.h"

namespace homeport::registry {
namespace {

constexpr const char* kShell = "/bin/bash";

TEST_CASE("a program's output is its answer, its failure is one") {
  CHECK(RunFilter("/bin/cat", "-", "in", 5'000) == absl::StatusOr<std::string>("in"));
  CHECK(absl::IsUnavailable(RunFilter("/bin/false", "-", "in", 5'000).status()));
  CHECK(absl::IsUnavailable(RunFilter("/none", "-", "in", 5'000).status()));
}

TEST_CASE("a program is not told the settings of this process") {
  REQUIRE(::setenv("HOMEPORT_REDIS_PASSWORD", "secret", 1) == 0);
  REQUIRE(::setenv("SIGNING_KEY", "handed on", 1) == 0);
  const auto output = RunFilter(kShell, "-s", "echo $SIGNING_KEY $HOMEPORT_REDIS_PASSWORD", 5'000);
  CHECK(output == absl::StatusOr<std::string>("handed on\n"));
}

TEST_CASE("a program that does not end in time is ended, also when it has said all") {
  for (const char* const input : {"exec sleep 60", "exec 1>&- 0<&-; exec sleep 60"}) {
    const int64_t began_us = MonotonicMicros();
    CHECK(absl::IsUnavailable(RunFilter(kShell, "-s", input, 200).status()));
    CHECK(MonotonicMicros() - began_us < 30'000'000);
  }
}

}  // namespace
}  // namespace homeport::registry
