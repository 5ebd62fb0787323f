#include "services/registry/stream/state_cache.h"

#include <catch2/catch.hpp>

namespace homeport::registry {
namespace {

TEST_CASE("the least recently used devices go first") {
  StateCache cache(2);
  for (const char* device : {"a", "b", "c"}) cache.Insert(device, 0);
  CHECK(cache.Find("a") != nullptr);
  CHECK(cache.size() == 3);  // nothing goes before Trim
  cache.Trim();
  CHECK(cache.Find("b") == nullptr);
  CHECK(cache.Find("a") != nullptr);
  CHECK(cache.Find("c") != nullptr);
}

TEST_CASE("states stay where they are until they are dropped") {
  StateCache cache(100);
  DeviceState* first = &cache.Insert("a", 1);
  for (int i = 0; i < 50; ++i) cache.Insert("device-" + std::to_string(i), 2);
  CHECK(cache.Find("a") == first);
  CHECK(cache.Find("a") == first);
  cache.Drop("a");
  cache.Drop("a");
  CHECK(cache.Find("a") == nullptr);
  cache.Insert("a", 1);
  cache.Clear();
  CHECK(cache.size() == 0);
}

TEST_CASE("a partition that is dropped begins anew") {
  StateCache cache(2);
  DeviceState* other = &cache.Insert("other", 1);
  cache.Insert("a", 2);
  cache.Insert("b", 2);
  cache.DropPartition(2);
  CHECK(cache.Find("a") == nullptr);
  CHECK(cache.Find("other") == other);
  DeviceState* anew = &cache.Insert("a", 2);
  CHECK(cache.Find("a") == anew);
  cache.Trim();  // "b" was used before the others
  CHECK(cache.size() == 2);
  CHECK(cache.Find("a") == anew);
  cache.DropPartition(2);
  CHECK(cache.Find("a") == nullptr);
  CHECK(cache.Find("other") == other);
}

}  // namespace
}  // namespace homeport::registry
