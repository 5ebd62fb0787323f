#include "services/gateway/stream/seen_batches.h"

#include <catch2/catch.hpp>
#include <string>

namespace homeport::gateway {
namespace {

TEST_CASE("a batch that its pod appends again is known") {
  SeenBatches seen;
  CHECK(seen.IsNew("a", 1, 10));
  CHECK(seen.IsNew("b", 1, 11));
  CHECK_FALSE(seen.IsNew("a", 1, 12));
  CHECK(seen.IsNew("a", 2, 13));
  CHECK_FALSE(seen.IsNew("a", 1, 14));
  CHECK_FALSE(seen.IsNew("b", 1, 15));
}

TEST_CASE("of pods that come and go the last ones are remembered") {
  SeenBatches seen;
  for (uint64_t pod = 0; pod < 10 * SeenBatches::kPodsMax; ++pod) {
    CHECK(seen.IsNew(std::to_string(pod), 5, pod));
    CHECK(seen.IsNew("steady", pod + 1, pod));
    CHECK_FALSE(seen.IsNew(std::to_string(pod), 5, pod));
    REQUIRE(seen.pods() <= SeenBatches::kPodsMax);
  }
  CHECK_FALSE(seen.IsNew("steady", 1, 100'000));
}

}  // namespace
}  // namespace homeport::gateway
