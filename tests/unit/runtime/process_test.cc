#include "libs/runtime/process.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

namespace homeport::runtime {
namespace {

TEST_CASE("a pod id is the name and eight random hex digits") {
  const auto first = MakePodId("gateway-0");
  const auto second = MakePodId("gateway-0");
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->str().substr(0, 10) == "gateway-0-");
  CHECK(first->str().size() == 18);
  CHECK(first->str().find_first_not_of("0123456789abcdef", 10) == std::string::npos);
  CHECK(*first != *second);
}

TEST_CASE("pod names become parts of Redis keys and are checked") {
  for (const char* bad : {"", "A", "a_b", "a b", "a{b}", "a:b"}) {
    INFO(bad);
    CHECK_FALSE(MakePodId(bad).ok());
  }
  CHECK_FALSE(MakePodId(std::string(64, 'a')).ok());
}

TEST_CASE("the limit of open files is raised to the hard one") {
  const auto limit = RaiseFileLimit();
  REQUIRE(limit.ok());
  rlimit now{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &now) == 0);
  CHECK(now.rlim_cur == now.rlim_max);
  CHECK(*limit == now.rlim_max);
}

}  // namespace
}  // namespace homeport::runtime
