#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

const std::string kDevice = "lamp-1";
const std::string kVersion = "SELECT version FROM shadow WHERE device = 'lamp-1' AND name = ''";
const std::string kState = "SELECT state FROM shadow WHERE device = 'lamp-1' AND name = ''";

std::string Refusals(std::string_view reason) {
  return fmt::format("homeport_registry_refusals_total{{reason=\"{}\"}}", reason);
}

TEST_CASE("a report becomes a version of the classic shadow") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 40)});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":40}}})"));
  CHECK(world.Sql(kVersion) == "1");
  CHECK(world.Sql("SELECT product || ' ' || tenant || ' ' || online FROM device") ==
        "test.light.one default true");
  CHECK(worker.Counts("homeport_registry_shadow_versions_total", 1));
}

TEST_CASE("reports apply in order, one version each, however they are batched") {
  World world;
  Gateway gateway(world);
  gateway.Append({Connected(kDevice)});
  for (int i = 1; i <= 500; ++i) {
    gateway.Append({Brightness(kDevice, 2 * i), Brightness(kDevice, 2 * i + 1)});
  }
  TestWorker::Options options;
  options.batch.messages_max = 37;
  TestWorker worker(world, options);
  CHECK(world.Becomes(kVersion, "1000"));
  CHECK(world.Sql(kState) == R"({"reported":{"light":{"brightness":1001}}})");
  CHECK(Eventually([&] {
    return world.Redis({"XLEN", routing::UplinkKey(routing::PartitionOf(kDevice, kPartitions))}) ==
           "0";
  }));
}

TEST_CASE("a batch appended again under its sequence is dropped") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice)});
  gateway.Append({Brightness(kDevice, 1)});
  gateway.AppendAs(2, {Brightness(kDevice, 1)});
  gateway.AppendAs(1, {Connected(kDevice)});
  gateway.AppendAs(3, {Brightness(kDevice, 3)});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":3}}})"));
  CHECK(world.Sql(kVersion) == "2");
  CHECK(worker.Counts("homeport_registry_duplicate_batches_total", 2));
}

TEST_CASE("sequences are counted for each pod") {
  World world;
  Gateway first(world, "gateway-1");
  Gateway second(world, "gateway-2");
  TestWorker worker(world);
  first.Append({Connected(kDevice)});
  first.Append({Brightness(kDevice, 1)});
  second.Append({Brightness(kDevice, 2)});
  CHECK(world.Becomes(kVersion, "2"));
}

TEST_CASE("a DUP report with an id that was applied is dropped") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const auto report = [&](int id, int value, bool dup) {
    UplinkMessage message = Report(
        kDevice,
        fmt::format(R"({{"id":{},"params":[{{"siid":2,"piid":2,"value":{}}}]}})", id, value));
    message.set_dup(dup);
    return message;
  };
  gateway.Append({Connected(kDevice), report(8, 80, false), report(9, 90, false)});
  gateway.Append({report(8, 80, true), report(9, 90, true), report(10, 100, true)});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":100}}})"));
  CHECK(world.Sql(kVersion) == "3");
  CHECK(worker.Counts("homeport_registry_duplicate_reports_total", 2));
  SECTION("a device that counts from the start again is heard") {
    gateway.Append({report(1, 7, false)});
    CHECK(world.Becomes(kVersion, "4"));
  }
  SECTION("so is one whose first sending from the start did not arrive") {
    gateway.Append({report(1'009, 50, false), report(10, 60, true), report(9, 70, true)});
    CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":70}}})"));
    CHECK(world.Sql(kVersion) == "5");
    CHECK(worker.Counts("homeport_registry_duplicate_reports_total", 3));
  }
}

TEST_CASE("what a slow gateway appends after its device went elsewhere is dropped") {
  World world;
  Gateway slow(world, "gateway-1");
  Gateway quick(world, "gateway-2");
  TestWorker worker(world);
  const auto with_epoch = [](UplinkMessage message, uint64_t epoch, std::string_view client = "") {
    message.set_epoch(epoch);
    message.set_client(std::string(client));
    return message;
  };
  slow.Append({with_epoch(Connected(kDevice), 1), with_epoch(Brightness(kDevice, 10), 1)});
  CHECK(world.Becomes(kVersion, "1"));
  quick.Append({with_epoch(Connected(kDevice), 2), with_epoch(Brightness(kDevice, 20), 2)});
  CHECK(world.Becomes(kVersion, "2"));
  slow.Append({with_epoch(Brightness(kDevice, 11), 1),
               with_epoch(Brightness(kDevice, 30), 1, "another-client")});
  CHECK(world.Becomes(kVersion, "3"));
  CHECK(world.Sql(kState) == R"({"reported":{"light":{"brightness":30}}})");
  CHECK(worker.Counts("homeport_registry_overtaken_messages_total", 1));
  UplinkMessage once = with_epoch(Brightness(kDevice, 40), 1);
  once.set_once(true);  // of QoS 2: the device was told that it is received
  slow.Append({once});
  CHECK(world.Becomes(kVersion, "4"));
  CHECK(worker.Counts("homeport_registry_overtaken_messages_total", 1));
}

TEST_CASE("what cannot be applied is refused, answered, counted, and blocks nothing") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Report(kDevice, "{\"params\":"),
                  Report(kDevice, R"({"params":[{"siid":2,"piid":2,"value":"high"},
                                               {"siid":2,"piid":9,"value":1},
                                               {"siid":2,"piid":1,"value":true}],"id":"a"})"),
                  Report(kDevice, std::string("\xff\xfe", 2)), Brightness(kDevice, 5)});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"on":true,"brightness":5}}})"));
  CHECK(world.Sql(kVersion) == "2");
  CHECK(worker.Counts(Refusals("malformed_payload"), 2));
  CHECK(worker.Counts(Refusals("model_violation"), 1));
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(3);
  CHECK(inbox[1].deliver().topic() == "device/lamp-1/down/refused");
  CHECK(inbox[1].deliver().session() == 7);
  CHECK(inbox[1].deliver().payload().find(R"({"id":"a","code":-704220043,)") == 0);
  CHECK(
      inbox[1].deliver().payload().find(
          R"("params":[{"siid":2,"piid":2,"code":-704220043},{"siid":2,"piid":9,"code":-704040003}])") !=
      std::string::npos);
}

TEST_CASE("entries that are no batches are skipped and counted") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const std::string key = routing::UplinkKey(routing::PartitionOf(kDevice, kPartitions));
  gateway.Append({Connected(kDevice)});
  world.Redis({"XADD", key, "*", "b", "\x22\xff\xff\xff"});
  world.Redis({"XADD", key, "*", "other", "field"});
  UplinkMessage foreign = Brightness(
      DevicesOf((routing::PartitionOf(kDevice, kPartitions) + 1) % kPartitions, 1)[0], 1);
  UplinkMessage nameless = Brightness("not a device", 1);
  UplinkMessage unknown = Message(static_cast<UplinkMessage::Kind>(99), kDevice);
  gateway.Append({Brightness(kDevice, 1), foreign, nameless, unknown, Brightness(kDevice, 2)});
  CHECK(world.Becomes(kVersion, "2"));
  CHECK(worker.Counts(Refusals("malformed_batch"), 2));
  CHECK(worker.Counts(Refusals("invalid_device"), 2));
  CHECK(worker.Counts(Refusals("unknown_kind"), 1));
}

UplinkMessage Telemetry(int channel) {
  UplinkMessage telemetry = Message(UplinkMessage::KIND_TELEMETRY, kDevice);
  telemetry.set_detail(fmt::format("c{}", channel));
  return telemetry;
}

TEST_CASE("only the message that cannot be stored is left out of its entry") {
  World world;
  Gateway gateway(world);
  world.Run("ALTER TABLE telemetry ADD CONSTRAINT unlucky CHECK (channel NOT IN ('c13', 'c37'))");
  gateway.Append({Connected(kDevice)});
  std::vector<UplinkMessage> entry;
  for (int i = 10; i < 50; ++i) {
    entry.push_back(Brightness(kDevice, i));
    entry.push_back(Telemetry(i));
  }
  gateway.Append(entry);
  gateway.Append({Telemetry(13)});
  gateway.Append({Brightness(kDevice, 50), Telemetry(50)});
  {
    TestWorker worker(world);
    CHECK(world.Becomes(kVersion, "41"));
    CHECK(world.Sql("SELECT count(*) || ' ' || count(DISTINCT channel) FROM telemetry") == "39 39");
    CHECK(world.Sql("SELECT string_agg(channel, ' ' ORDER BY id) = "
                    "string_agg(channel, ' ' ORDER BY channel) FROM telemetry") == "t");
    CHECK(worker.Counts(Refusals("storage"), 3));
    CHECK(worker.Metric("homeport_registry_rehearsals_total") < 30);
  }
  world.Run("ALTER TABLE telemetry DROP CONSTRAINT unlucky");
}

TEST_CASE("a state that cannot be read holds up its device only") {
  World world;
  Gateway gateway(world);
  const std::string other = DevicesOf(routing::PartitionOf(kDevice, kPartitions), 2)[1];
  REQUIRE(other != kDevice);
  world.Run("INSERT INTO shadow (device, name, version, state, metadata) VALUES ('" + other +
            "', '', 1, 'no JSON', '{}')");
  gateway.Append(
      {Connected(kDevice), Brightness(kDevice, 1), Brightness(other, 1), Brightness(kDevice, 2)});
  TestWorker worker(world);
  CHECK(world.Becomes("SELECT version FROM shadow WHERE device = 'lamp-1'", "2"));
  CHECK(worker.Counts(Refusals("storage"), 1));
}

TEST_CASE("an event sent again is stored once, where it can be told") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const auto event = [](std::string_view more, bool dup) {
    UplinkMessage message = Message(UplinkMessage::KIND_EVENT, kDevice);
    message.set_detail("2/1");
    message.set_payload(fmt::format(R"({{"arguments":[12]{}}})", more));
    message.set_dup(dup);
    return message;
  };
  gateway.Append({Connected(kDevice), event(R"(,"id":5)", false), event(R"(,"id":5)", true),
                  event(R"(,"ts":1)", false)});
  CHECK(world.Becomes("SELECT count(*) FROM event", "2"));
  gateway.Append({event(R"(,"id":5)", true), event(R"(,"id":6)", true), event(R"(,"ts":1)", true)});
  CHECK(world.Becomes("SELECT string_agg(key, ' ' ORDER BY id) LIKE 'n5 t1-% n6' FROM event", "t"));
  CHECK(worker.Counts("homeport_registry_duplicate_events_total", 3));
  // An id that counts anew after a boot, and events nobody can tell apart: all are stored.
  gateway.Append({event(R"(,"id":5)", false), event("", false), event("", true)});
  CHECK(world.Becomes("SELECT count(*) FROM event", "6"));
  // Out of reach.
  world.Run("UPDATE event SET received_at = received_at - interval '2 hours'");
  gateway.Append({event(R"(,"id":6)", true)});
  CHECK(world.Becomes("SELECT count(*) FROM event", "7"));
}

TEST_CASE("without a model, properties go by name or by number") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  world.Run("UPDATE product SET model_version = 0, version = version + 1");
  gateway.Append(
      {Connected(kDevice), Report(kDevice, R"({"params":[{"siid":3,"piid":4,"value":[1,2]},
                                               {"name":"fan.speed","value":2},
                                               {"name":"fan","value":2},
                                               {"name":"fan.level","value":null}]})")});
  CHECK(world.Becomes(kState, R"({"reported":{"s3":{"p4":[1,2]},"fan":{"speed":2}}})"));
}

TEST_CASE("CBOR reports are the same as JSON ones") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  // {"params": [{"siid": 2, "piid": 2, "value": 77}]}
  const std::string cbor = "\xa1\x66params\x81\xa3\x64siid\x02\x64piid\x02\x65value\x18\x4d";
  UplinkMessage message = Report(kDevice, cbor);
  message.set_cbor(true);
  UplinkMessage cut = Report(kDevice, cbor.substr(0, cbor.size() - 1));
  cut.set_cbor(true);
  gateway.Append({Connected(kDevice), cut, message});
  CHECK(world.Becomes(kState, R"({"reported":{"light":{"brightness":77}}})"));
  CHECK(worker.Counts(Refusals("malformed_payload"), 1));
}

TEST_CASE("events and telemetry are stored") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  UplinkMessage event = Message(UplinkMessage::KIND_EVENT, kDevice);
  event.set_detail("2/1");
  event.set_payload(R"({"arguments":[{"piid":2,"value":12}]})");
  UplinkMessage unknown = event;
  unknown.set_detail("2/7");
  UplinkMessage telemetry = Message(UplinkMessage::KIND_TELEMETRY, kDevice);
  telemetry.set_detail("raw");
  telemetry.set_payload(std::string("\x00\x01\xff", 3));
  gateway.Append({Connected(kDevice), event, unknown, telemetry});
  CHECK(world.Becomes("SELECT encode(payload, 'hex') FROM telemetry WHERE device = 'lamp-1'",
                      "0001ff"));
  CHECK(world.Sql("SELECT name || ' ' || arguments FROM event") ==
        R"(light.pressed {"brightness":12})");
  CHECK(worker.Counts(Refusals("model_violation"), 1));
}

TEST_CASE("events go by name, and are refused with MIoT's codes") {
  struct Row {
    const char* name;
    const char* event;
    const char* payload;
    const char* answer;  // the stored event, or the code
  };
  const std::vector<Row> rows = {
      {"by number", "2/1", R"({"arguments":[12]})", R"(light.pressed {"brightness":12})"},
      {"by name", "light/pressed", R"({"arguments":[12]})", R"(light.pressed {"brightness":12})"},
      {"arguments by name", "2/1", R"({"arguments":{"brightness":12.0}})",
       R"(light.pressed {"brightness":12})"},
      {"an argument by name", "2/1", R"({"arguments":[{"name":"brightness","value":12}]})",
       R"(light.pressed {"brightness":12})"},
      {"no service", "9/1", R"({"arguments":[12]})", "-704040002"},
      {"no service by name", "fan/pressed", R"({"arguments":[12]})", "-704040002"},
      {"no event", "2/7", R"({"arguments":[12]})", "-704040004"},
      {"no event by name", "light/held", R"({"arguments":[12]})", "-704040004"},
      {"no arguments", "2/1", R"({"arguments":[]})", "-704222034"},
      {"arguments missing", "2/1", "{}", "-704222034"},
      {"arguments that are no list", "2/1", R"({"arguments":12})", "-704222034"},
      {"too many", "2/1", R"({"arguments":[12,13]})", "-704222034"},
      {"another property's", "2/1", R"({"arguments":[{"piid":1,"value":true}]})", "-704222034"},
      {"no such property", "2/1", R"({"arguments":[{"piid":9,"value":1}]})", "-704040003"},
      {"no such name", "2/1", R"({"arguments":{"colour":1}})", "-704040003"},
      {"a bad value", "2/1", R"({"arguments":[-1]})", "-704220043"},
      {"a wrong type", "2/1", R"({"arguments":["12"]})", "-704220043"}};
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      World world;
      Gateway gateway(world);
      TestWorker worker(world);
      UplinkMessage event = Message(UplinkMessage::KIND_EVENT, kDevice);
      event.set_detail(row.event);
      event.set_payload(row.payload);
      gateway.Append({Connected(kDevice), event});
      if (row.answer[0] != '-') {
        CHECK(world.Becomes("SELECT name || ' ' || arguments FROM event", row.answer));
        continue;
      }
      const std::vector<InboxItem> inbox = gateway.AwaitInbox(1);
      REQUIRE(inbox.size() == 1);
      CHECK(inbox[0].deliver().topic() == "device/lamp-1/down/refused");
      CHECK(inbox[0].deliver().payload().find(fmt::format(R"("code":{},)", row.answer)) !=
            std::string::npos);
      CHECK(world.Sql("SELECT count(*) FROM event") == "0");
    }
  }
}

TEST_CASE("a typed report brings the delta to the device until it agrees") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice),
                  ShadowUpdate(kDevice, R"({"state":{"desired":{"light":{"brightness":9}}}})")});
  CHECK(gateway.AwaitInbox(3).size() == 3);
  gateway.Append({Brightness(kDevice, 8)});
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(4);
  CHECK(inbox[3].deliver().topic() == "$aws/things/lamp-1/shadow/update/delta");
  gateway.Append({Brightness(kDevice, 9)});
  CHECK(world.Becomes(kVersion, "3"));
  CHECK(gateway.Inbox().size() == 4);
}

TEST_CASE("a new version of the product model counts within a second") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 1)});
  CHECK(world.Becomes(kVersion, "1"));
  world.Run(
      "INSERT INTO product_version SELECT product, 2, urn, replace(model, '1000000', '10') "
      "FROM product_version; UPDATE product SET model_version = 2, version = version + 1");
  CHECK(Eventually([&] {
    gateway.Append({Brightness(kDevice, 500)});
    return worker.Metric(Refusals("model_violation")) > 0;
  }));
}

}  // namespace
}  // namespace homeport::registry::testing
