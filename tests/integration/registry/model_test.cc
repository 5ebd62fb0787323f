#include <catch2/catch.hpp>
#include <string>

#include "libs/base/strings.h"
#include "libs/postgres/in_transaction.h"
#include "services/registry/store/product_table.h"
#include "tests/integration/registry/world.h"

// Versions of a product's model, and what becomes of stored values when a device changes its own.
namespace homeport::registry::testing {
namespace {

const std::string kDevice = "lamp-1";
const std::string kVersion = "SELECT version FROM shadow WHERE device = 'lamp-1' AND name = ''";
const std::string kState = "SELECT state FROM shadow WHERE device = 'lamp-1' AND name = ''";
const std::string kModels =
    "SELECT model_version || ' ' || shadow_model FROM device WHERE id = 'lamp-1'";

// How often gateways were told to ask for the device anew.
const std::string kTold =
    "SELECT count(*) FROM directory_change WHERE kind = 1 AND name = 'lamp-1' AND NOT revoked";

// The lamp of world.h with another brightness; `range` is its value-range, `version` the URN's.
std::string Lamp(int version, const std::string& range) {
  return fmt::format(
      R"({{"type":"urn:miot-spec-v2:device:light:0000A001:test-one:{}","services":[{{"iid":2,)"
      R"("type":"urn:miot-spec-v2:service:light:00007802:test-one:1","properties":[)"
      R"({{"iid":1,"type":"urn:miot-spec-v2:property:on:00000006:test-one:1","format":"bool",)"
      R"("access":["read","write","notify"]}},)"
      R"({{"iid":2,"type":"urn:miot-spec-v2:property:brightness:0000000D:test-one:1",)"
      R"("format":"uint32","access":["read","write","notify"],"value-range":{}}}]}}]}})",
      version, range);
}

std::string Urn(int version) {
  return fmt::format("urn:miot-spec-v2:device:light:0000A001:test-one:{}", version);
}

enum class Current { kChanges, kStays };

int64_t Import(World& world, const std::string& model, Current current) {
  const auto version = postgres::InTransaction(world.db(), [&](postgres::Transaction& transaction) {
    return ImportModel(transaction, {"default", "test"},
                       {.product = std::string(kProduct),
                        .tenant = "default",
                        .model = model,
                        .keep_current = current == Current::kStays},
                       {});
  });
  REQUIRE(version.ok());
  return *version;
}

UplinkMessage On(bool on) {
  return Report(kDevice, fmt::format(R"({{"params":[{{"siid":2,"piid":1,"value":{}}}]}})", on));
}

// Topics of what was delivered, in order, with those of the shadow shortened.
std::string Topics(const std::vector<InboxItem>& inbox) {
  std::string topics;
  for (const InboxItem& item : inbox) {
    if (item.has_deliver()) topics += item.deliver().topic() + "\n";
  }
  return topics;
}

TEST_CASE("a device names the version it runs: what no longer fits is not kept") {
  World world;
  CHECK(Import(world, Lamp(2, "[3000,5000,1]"), Current::kStays) == 2);
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 50), On(true),
                  ShadowUpdate(kDevice, R"({"state":{"desired":{"light":{"brightness":60}},)"
                                        R"("reported":{"extra":[1]}}})")});
  CHECK(world.Becomes(kVersion, "3"));
  CHECK(world.Sql(kModels) == "0 1");
  const size_t before = gateway.Inbox().size();
  gateway.Append({Report(kDevice, fmt::format(R"({{"model":"{}"}})", Urn(2)))});
  CHECK(world.Becomes(kVersion, "4"));
  CHECK(world.Sql(kState) == R"({"reported":{"light":{"on":true},"extra":[1]}})");
  CHECK(world.Sql(kModels) == "2 2");
  std::vector<InboxItem> inbox = gateway.AwaitInbox(before + 1);
  inbox.erase(inbox.begin(), inbox.begin() + static_cast<std::ptrdiff_t>(before));
  CHECK(Topics(inbox) == "$aws/things/lamp-1/shadow/update/documents\n");
  CHECK(inbox[0].deliver().payload().find(R"("brightness":50)") != std::string::npos);
  CHECK(world.Sql("SELECT arguments FROM event WHERE name = '$model.migrated'") ==
        R"({"from":1,"to":2,"lost":[)"
        R"({"section":"reported","property":"light.brightness",)"
        R"("reason":"no value of the property any more"},)"
        R"({"section":"desired","property":"light.brightness",)"
        R"("reason":"no value of the property any more"}],"moved":[]})");
  CHECK(worker.Counts("homeport_registry_model_migrations_total", 1));
  CHECK(worker.Counts("homeport_registry_model_values_lost_total", 2));
  CHECK(world.Sql(kTold) == "1");

  // From now on its values are those of its version.
  gateway.Append({Brightness(kDevice, 50)});
  CHECK(worker.Counts(R"(homeport_registry_refusals_total{reason="model_violation"})", 1));
  gateway.Append({Brightness(kDevice, 4000)});
  CHECK(world.Becomes(kVersion, "5"));
  // Said again, it changes nothing; taken back, the product's version counts again.
  gateway.Append({Report(kDevice, fmt::format(R"({{"model":"{}","params":[]}})", Urn(2)))});
  gateway.Append({Report(kDevice, R"({"model":""})")});
  CHECK(world.Becomes(kModels, "0 1"));
  CHECK(world.Sql(kVersion) == "5");
  CHECK(world.Sql(kTold) == "2");
}

TEST_CASE("a version that the product does not have is refused; its values count") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice)});
  gateway.Append({Report(kDevice, fmt::format(R"({{"model":"{}","id":7,"params":[)"
                                              R"({{"siid":2,"piid":2,"value":9}}]}})",
                                              Urn(9)))});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":9}}})"));
  CHECK(worker.Counts(R"(homeport_registry_refusals_total{reason="unknown_model"})", 1));
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(1);
  CHECK(inbox[0].deliver().topic() == "device/lamp-1/down/refused");
  CHECK(inbox[0].deliver().payload() ==
        R"({"id":7,"code":-704014006,"message":"device description not found"})");
  CHECK(world.Sql(kModels) == "0 1");
}

TEST_CASE("a device that names none follows its product") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 50), On(true)});
  CHECK(world.Becomes(kVersion, "2"));
  CHECK(Import(world, Lamp(2, "[3000,5000,1]"), Current::kChanges) == 2);
  // With the first message after the pod has seen the update; what it brings is applied behind it.
  bool on = false;
  CHECK(Eventually([&] {
    gateway.Append({On(on = !on)});
    return world.Sql(kModels) == "0 2";
  }));
  CHECK(world.Sql("SELECT state FROM shadow").find("brightness") == std::string::npos);
  CHECK(world.Sql("SELECT count(*) FROM event WHERE name = '$model.migrated'") == "1");
  // The old text again is the old version again, which was not dropped.
  CHECK(Import(world, Lamp(3, "[0,100,1]"), Current::kStays) == 3);
  CHECK(Import(world, Lamp(2, "[3000,5000,1]"), Current::kStays) == 2);
}

TEST_CASE("values of before there were versions are looked at once") {
  World world;
  Gateway gateway(world);
  world.Run(
      "INSERT INTO device (id, tenant, product) VALUES ('lamp-1', 'default', 'test.light.one');"
      "INSERT INTO shadow (device, name, version, state, metadata) VALUES ('lamp-1', '', 7,"
      R"( '{"reported":{"light":{"brightness":-5,"on":true}}}',)"
      R"( '{"reported":{"light":{"brightness":1,"on":1}}}'))");
  TestWorker worker(world);
  gateway.Append({Connected(kDevice)});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"on":true}}})"));
  CHECK(world.Sql(kVersion) == "8");
  CHECK(world.Sql(kModels) == "0 1");
}

TEST_CASE("at most so many versions of a model") {
  World world;
  ModelRules rules;
  rules.versions_max = 2;
  const auto add = [&](int version) {
    return postgres::InTransaction(world.db(),
                                   [&](postgres::Transaction& transaction) {
                                     return ImportModel(transaction, {"default", "test"},
                                                        {.product = std::string(kProduct),
                                                         .tenant = "default",
                                                         .model = Lamp(version, "[0,1,1]")},
                                                        rules);
                                   })
        .status();
  };
  CHECK(add(2).ok());
  CHECK(absl::IsResourceExhausted(add(3)));
  CHECK(add(2).ok());
}

}  // namespace
}  // namespace homeport::registry::testing
