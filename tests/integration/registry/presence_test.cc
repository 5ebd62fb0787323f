#include <catch2/catch.hpp>

#include "libs/base/clock.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

const std::string kDevice = "lamp-1";
const std::string kOnline = "SELECT online FROM device WHERE id = 'lamp-1'";
const std::string kSessions =
    "SELECT coalesce(string_agg(client || '@' || epoch, ' ' ORDER BY client), '') "
    "FROM device_session WHERE device = 'lamp-1'";
const std::string kStale = "homeport_registry_stale_epochs_total";

UplinkMessage ConnectedAs(std::string_view client, uint64_t epoch) {
  UplinkMessage message = Connected(kDevice, epoch);
  if (!client.empty()) message.set_session(8);  // a connection of its own
  message.set_client(std::string(client));
  return message;
}

UplinkMessage DisconnectedAs(std::string_view client, uint64_t epoch) {
  UplinkMessage message = Disconnected(kDevice, epoch);
  message.set_client(std::string(client));
  return message;
}

struct Step {
  UplinkMessage message;
  const char* sessions;  // after it
  const char* online;
};

TEST_CASE("the newer epoch wins, whatever the order of the news") {
  struct Row {
    const char* name;
    std::vector<Step> steps;
  };
  const UplinkMessage old_report = Brightness(kDevice, 1);  // epoch 1
  UplinkMessage new_report = old_report;
  new_report.set_epoch(9);
  UplinkMessage last_report = old_report;
  last_report.set_epoch(5);
  UplinkMessage will = old_report;
  will.set_epoch(0);
  will.set_session(0);
  UplinkMessage tools_will = will;
  tools_will.set_client("tool");
  UplinkMessage other_report = old_report;
  other_report.set_epoch(4);
  other_report.set_client("tool");
  other_report.set_session(8);
  const std::vector<Row> rows = {
      {"connect and disconnect",
       {{Connected(kDevice, 1), "@1", "t"}, {Disconnected(kDevice, 1), "", "f"}}},
      {"taken over: the old session's end is no news",
       {{Connected(kDevice, 1), "@1", "t"},
        {Connected(kDevice, 2), "@2", "t"},
        {Disconnected(kDevice, 1), "@2", "t"}}},
      {"an older connection does not replace a newer one",
       {{Connected(kDevice, 5), "@5", "t"}, {Connected(kDevice, 4), "@5", "t"}}},
      {"an older connection does not revive a device that left since",
       {{Connected(kDevice, 5), "@5", "t"},
        {Disconnected(kDevice, 5), "", "f"},
        {Connected(kDevice, 4), "", "f"}}},
      {"a straggling report of an ended session does not bring the device back",
       {{Connected(kDevice, 5), "@5", "t"},
        {Disconnected(kDevice, 5), "", "f"},
        {old_report, "", "f"}}},
      {"nor does what comes late of the newest session, when it has ended",
       {{Connected(kDevice, 5), "@5", "t"},
        {Disconnected(kDevice, 5), "", "f"},
        {last_report, "", "f"}}},
      {"the will of a session that ended is no sign of life, whoever's it was",
       {{Connected(kDevice, 5), "@5", "t"},
        {Disconnected(kDevice, 5), "", "f"},
        {will, "", "f"},
        {tools_will, "", "f"}}},
      {"any message of a newer epoch means online",
       {{Connected(kDevice, 5), "@5", "t"},
        {Disconnected(kDevice, 5), "", "f"},
        {new_report, "@9", "t"},
        {Disconnected(kDevice, 9), "", "f"}}},
      {"a message of another client's session means that it is there",
       {{Connected(kDevice, 5), "@5", "t"},
        {other_report, "@5 tool@4", "t"},
        {Disconnected(kDevice, 5), "tool@4", "t"},
        {DisconnectedAs("tool", 4), "", "f"}}},
      {"an end is its client's only: epochs of clients of another device may be the same",
       {{Connected(kDevice, 1), "@1", "t"},
        {ConnectedAs("app", 1), "@1 app@1", "t"},
        {DisconnectedAs("app", 1), "@1", "t"}}},
      {"online while any client is",
       {{ConnectedAs("", 1), "@1", "t"},
        {ConnectedAs("phone", 2), "@1 phone@2", "t"},
        {Disconnected(kDevice, 1), "phone@2", "t"},
        {DisconnectedAs("phone", 2), "", "f"}}},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      World world;
      Gateway gateway(world);
      TestWorker worker(world);
      double messages = 0;
      for (const Step& step : row.steps) {
        gateway.Append({step.message});
        messages += 1;
        REQUIRE(Eventually([&] {
          return worker.Metric("homeport_registry_transaction_messages_sum") == messages;
        }));
        CHECK(world.Sql(kSessions) == step.sessions);
        CHECK(world.Sql(kOnline) == step.online);
      }
    }
  }
}

TEST_CASE("stale news is counted") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice, 5), Connected(kDevice, 4), Disconnected(kDevice, 3)});
  CHECK(Eventually([&] { return worker.Metric(kStale) == 2; }));
}

// However it went: those who delete devices raise the generation of their partitions.
TEST_CASE("news of a device that is no longer there does not bring it back") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice, 5)});
  REQUIRE(Eventually([&] { return world.Sql(kOnline) == "t"; }));
  world.Run("DELETE FROM device WHERE id = 'lamp-1'");
  gateway.Append({Disconnected(kDevice, 5)});
  CHECK(Eventually([&] { return world.Sql(kSessions).empty(); }));
  CHECK(world.Sql("SELECT count(*) FROM device") == "0");
  CHECK(worker.Counts("homeport_registry_transaction_messages_sum", 2));
}

TEST_CASE("a device is not registered for a product that is not there") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  UplinkMessage message = Connected(kDevice);
  internal::v1::Connected connected;
  connected.set_product("test.light.none");
  message.set_payload(connected.SerializeAsString());
  gateway.Append({message});
  CHECK(world.Becomes(kSessions, "@1"));
  CHECK(world.Sql("SELECT count(*) FROM device") == "0");
  CHECK(worker.Counts("homeport_registry_refusals_total{reason=\"unknown_product\"}", 1));
}

TEST_CASE("sessions that come and go within a transaction leave no row, whatever was stored") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const std::string epoch = "SELECT epoch FROM device WHERE id = 'lamp-1'";
  gateway.Append({Connected(kDevice, 1), Disconnected(kDevice, 1)});
  CHECK(world.Becomes(epoch, "1"));
  CHECK(world.Sql(kSessions).empty());
  CHECK(world.Sql(kOnline) == "f");

  gateway.Append({Connected(kDevice, 2)});
  CHECK(world.Becomes(kSessions, "@2"));
  gateway.Append({Disconnected(kDevice, 2), Connected(kDevice, 3), Disconnected(kDevice, 3)});
  CHECK(world.Becomes(epoch, "3"));
  CHECK(world.Sql(kSessions).empty());
  gateway.Append({Connected(kDevice, 4), Disconnected(kDevice, 4), Connected(kDevice, 5)});
  CHECK(world.Becomes(kSessions, "@5"));
}

TEST_CASE("what nobody waits for goes in few transactions, and holds up nobody") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const char* transactions = "homeport_registry_transactions_total";
  gateway.Append({Connected(kDevice, 1)});
  REQUIRE(world.Becomes(kSessions, "@1"));
  const double before = worker.Metric(transactions);
  const MonoMs began = SystemClock().Now();
  for (uint64_t epoch = 2; epoch <= 300; ++epoch) {
    gateway.AppendPatient({Disconnected(kDevice, epoch - 1), Connected(kDevice, epoch)});
  }
  CHECK(world.Becomes(kSessions, "@300"));
  const auto elapsed_ms = static_cast<double>(SystemClock().Now() - began);
  CHECK(worker.Metric(transactions) - before <= elapsed_ms / 200 + 2);

  UplinkMessage report = Brightness(kDevice, 7);
  report.set_epoch(301);
  gateway.AppendPatient({Disconnected(kDevice, 300), Connected(kDevice, 301)});
  gateway.Append({report});
  CHECK(world.Becomes("SELECT state FROM shadow WHERE device = 'lamp-1'",
                      R"({"reported":{"light":{"brightness":7}}})"));
  CHECK(world.Sql(kSessions) == "@301");
}

TEST_CASE("a device without a product keeps its shadow") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  UplinkMessage message = Connected(kDevice);
  message.clear_payload();
  gateway.Append({message});
  gateway.Append({ShadowUpdate(kDevice, R"({"state":{"reported":{"a":1}}})")});
  CHECK(
      world.Becomes("SELECT state FROM shadow WHERE device = 'lamp-1'", R"({"reported":{"a":1}})"));
  CHECK(gateway.AwaitInbox(2).back().deliver().topic() ==
        "$aws/things/lamp-1/shadow/update/accepted");
}

}  // namespace
}  // namespace homeport::registry::testing
