#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "tests/integration/registry/world.h"

// Values of properties as rows of history, written with the shadow that they change.
namespace homeport::registry::testing {
namespace {

const std::string kDevice = "lamp-1";
const std::string kRows =
    "SELECT string_agg(name || '=' || value || ' ' || coalesce(number::text, ''), ',' ORDER BY id)"
    " FROM property_sample";

void Keep(World& world, const std::string& names) {
  world.Run(fmt::format("UPDATE product SET version = version + 1, history_properties = '{{{}}}'",
                        names));
}

TEST_CASE("changes of a property are kept once each, where the product asks for it") {
  World world;
  Keep(world, "light.brightness");
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice)});
  gateway.Append({Brightness(kDevice, 4), Brightness(kDevice, 4), Brightness(kDevice, 5)});
  gateway.AppendAs(2, {Brightness(kDevice, 4), Brightness(kDevice, 4), Brightness(kDevice, 5)});
  gateway.Append(
      {ShadowUpdate(kDevice, R"({"state":{"reported":{"light":{"brightness":6,"on":true}}}})")});
  CHECK(world.Becomes(kRows, "light.brightness=4 4,light.brightness=5 5,light.brightness=6 6"));
  CHECK(world.Sql("SELECT version FROM shadow") == "4");
  CHECK(worker.Counts("homeport_registry_history_coalesced_total", 1));
  CHECK(worker.Counts("homeport_registry_duplicate_batches_total", 1));
  CHECK(world.Sql("SELECT bool_and(reported_at = received_at) FROM property_sample") == "t");
}

TEST_CASE("the setting takes effect without a restart, both ways") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 4)});
  CHECK(world.Becomes("SELECT version FROM shadow", "1"));
  CHECK(world.Sql(kRows).empty());
  Keep(world, "*");
  int brightness = 4;
  CHECK(Eventually([&] {
    gateway.Append({Brightness(kDevice, ++brightness)});
    return world.Becomes("SELECT version FROM shadow", std::to_string(brightness - 3)) &&
           !world.Sql(kRows).empty();
  }));
  Keep(world, "");
  std::string before;
  CHECK(Eventually([&] {
    before = world.Sql(kRows);
    gateway.Append({Brightness(kDevice, ++brightness)});
    return world.Becomes("SELECT version FROM shadow", std::to_string(brightness - 3)) &&
           world.Sql(kRows) == before;
  }));
}

TEST_CASE("values that have no number, and many at once") {
  World world;
  world.Run(
      "INSERT INTO product (id, tenant, fleet_key, allow_unregistered, history_properties)"
      " VALUES ('test.free', 'default', 'k', true, '{*}');"
      "INSERT INTO device (id, tenant, product) VALUES ('free', 'default', 'test.free')");
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append(
      {Report("free", R"({"params":[{"name":"a.text","value":"\u0000 \"x\""},)"
                      R"({"name":"a.big","value":18446744073709551615},)"
                      R"({"name":"a.list","value":[1,2]},{"name":"a.real","value":-0.5}]})")});
  CHECK(world.Becomes("SELECT count(*) FROM property_sample", "4"));
  CHECK(world.Sql(kRows) ==
        R"(a.text="\u0000 \"x\"" ,a.big=18446744073709551615 1.8446744073709552e+19,)"
        R"(a.list=[1,2] ,a.real=-0.5 -0.5)");
}

}  // namespace
}  // namespace homeport::registry::testing
