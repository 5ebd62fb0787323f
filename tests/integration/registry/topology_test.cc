#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/store/topology_store.h"
#include "tests/integration/registry/world.h"

// Children behind hubs, and presence that follows from both. The failures named are those of
// systems in use.
namespace homeport::registry::testing {
namespace {

const std::string kHub = "hub-1";
const std::string kChild = "sensor-1";
constexpr int64_t kHourMs = 3'600'000;

UplinkMessage Watch(std::string_view device) {
  UplinkMessage message = Message(UplinkMessage::KIND_WATCH, device);
  message.set_session(0);
  message.set_epoch(0);
  return message;
}

// A deployment with a hub product; devices of kProduct may be children.
class Home {
 public:
  explicit Home(const TestWorker::Options& options = TestWorker::Options()) {
    world.Run(
        "INSERT INTO product (id, tenant, fleet_key, allow_unregistered, is_hub) "
        "VALUES ('test.hub.one', 'default', 'key', true, true)");
    world.Run("UPDATE product SET allow_unregistered = true WHERE id = 'test.light.one'");
    worker = std::make_unique<TestWorker>(world, options);
  }

  UplinkMessage HubConnected(uint64_t epoch) const {
    UplinkMessage message = Connected(kHub, epoch);
    internal::v1::Connected connected;
    connected.set_product("test.hub.one");
    message.set_payload(connected.SerializeAsString());
    return message;
  }

  // As a hub's session passes it on.
  UplinkMessage ThroughHub(UplinkMessage message, uint64_t epoch, std::string hub = kHub) const {
    message.set_epoch(epoch);
    message.set_hub(std::move(hub));
    return message;
  }

  UplinkMessage Topology(const std::string& payload, uint64_t epoch = 1) const {
    UplinkMessage message = Message(UplinkMessage::KIND_TOPOLOGY, kHub);
    message.set_epoch(epoch);
    message.set_payload(payload);
    return message;
  }

  // The hub is connected with epoch 1 and has the child.
  void Settle(const std::string& child = kChild, int64_t silence_s = 3900) {
    gateway.Append({HubConnected(1)});
    gateway.Append({Topology(fmt::format(
        R"({{"add":[{{"did":"{}","product":"test.light.one","link":"ble","silence_s":{}}}]}})",
        child, silence_s))});
    REQUIRE(world.Becomes(
        fmt::format("SELECT hub_online FROM device_child WHERE device = '{}'", child), "t"));
    REQUIRE(world.Becomes("SELECT children FROM device WHERE id = 'hub-1'", "1"));
  }

  [[nodiscard]] bool IsOnline(const std::string& device, bool online) {
    return world.Becomes(fmt::format("SELECT online FROM device WHERE id = '{}'", device),
                         online ? "t" : "f");
  }

  // What the watchers of `device` were told of its presence: "+" online, "-" offline.
  std::string Told(const std::string& device) {
    std::string told;
    for (const InboxItem& item : gateway.Inbox()) {
      if (!item.has_change() || item.change().device() != device) continue;
      if (item.change().kind() == internal::v1::DeviceChange::KIND_SNAPSHOT) told += "s";
      if (item.change().kind() != internal::v1::DeviceChange::KIND_CHANGE) {
        told += item.change().online() ? "+" : "-";
      }
    }
    return told;
  }

  World world;
  Gateway gateway{world};
  std::unique_ptr<TestWorker> worker;
};

const std::string kReported =
    "SELECT coalesce((SELECT state FROM shadow WHERE device = 'sensor-1'), '')";

TEST_CASE("a hub brings its child: registered, reported, told") {
  Home home;
  home.Settle();
  CHECK(home.world.Sql("SELECT product || ' ' || hub FROM device WHERE id = 'sensor-1'") ==
        "test.light.one hub-1");
  CHECK(home.IsOnline(kChild, false));  // never heard
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  CHECK(home.world.Becomes(kReported, R"({"reported":{"light":{"brightness":40}}})"));
  CHECK(home.IsOnline(kChild, true));
  const InboxItem answer = home.gateway.Inbox().front();
  CHECK(answer.deliver().topic() == "device/hub-1/down/topology");
  CHECK(answer.deliver().payload() == R"({"did":"sensor-1","code":200,"message":"attached"})");
}

TEST_CASE("a hub does not speak for a child that is disabled") {
  Home home;
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.world.Becomes(kReported, R"({"reported":{"light":{"brightness":40}}})"));
  const uint32_t partition = routing::PartitionOf(kChild, kPartitions);
  home.world.Run("UPDATE device SET disabled = true WHERE id = 'sensor-1'");
  REQUIRE(RaiseGeneration(home.world.db(), partition).ok());
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 50), 1)});
  CHECK(home.worker->Counts("homeport_registry_refusals_total{reason=\"device_blocked\"}", 1));
  CHECK(home.world.Sql(kReported) == R"({"reported":{"light":{"brightness":40}}})");
  home.world.Run("UPDATE device SET disabled = false WHERE id = 'sensor-1'");
  REQUIRE(RaiseGeneration(home.world.db(), partition).ok());
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 60), 1)});
  CHECK(home.world.Becomes(kReported, R"({"reported":{"light":{"brightness":60}}})"));
}

TEST_CASE("a hub brings no child beyond the tenant's quota of devices") {
  Home home;
  home.Settle();
  home.world.Run("UPDATE tenant SET devices_max = 2");
  int tried = 0;
  const auto answer = [&] {  // to one more child
    const std::string child = fmt::format("extra-{}", ++tried);
    home.gateway.Append({home.Topology(fmt::format(
        R"({{"add":[{{"did":"{}","product":"test.light.one","link":"ble"}}]}})", child))});
    std::string said;
    CHECK(Eventually([&] {
      for (const InboxItem& item : home.gateway.Inbox()) {
        const bool is_its = item.deliver().payload().find(child + "\"") != std::string::npos;
        if (is_its) said = item.deliver().payload();
      }
      return !said.empty();
    }));
    return said;
  };
  REQUIRE(Eventually([&] { return answer().find(R"("code":429)") != std::string::npos; }));
  CHECK(home.world.Sql(fmt::format("SELECT count(*) FROM device WHERE id = 'extra-{}'", tried)) ==
        "0");
  home.world.Run("UPDATE tenant SET devices_max = 0");
  REQUIRE(Eventually([&] { return answer().find(R"("code":200)") != std::string::npos; }));
}

TEST_CASE("a delta for a child goes to its hub's session") {
  Home home;
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  UplinkMessage wish = ShadowUpdate(kChild, R"({"state":{"desired":{"light":{"brightness":50}}}})");
  wish.set_session(0);
  wish.set_epoch(0);
  home.gateway.Append({wish});
  CHECK(Eventually([&] {
    for (const InboxItem& item : home.gateway.Inbox()) {
      if (item.deliver().topic() != "$aws/things/sensor-1/shadow/update/delta") continue;
      return item.deliver().session() == 7 && item.deliver().epoch() == 1;
    }
    return false;
  }));
}

TEST_CASE("what a stranger passes on for a device is refused, and told to the stranger") {
  Home home;
  home.Settle();
  UplinkMessage stranger = Connected("hub-2", 1);
  home.gateway.Append({stranger});
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 99), 9, "hub-2")});
  CHECK(home.worker->Counts("homeport_registry_refusals_total{reason=\"not_child\"}", 1));
  CHECK(home.world.Sql(kReported).empty());
  CHECK(home.IsOnline(kChild, false));
  const InboxItem answer = home.gateway.Inbox().back();
  CHECK(answer.deliver().topic() == "device/sensor-1/down/refused");
}

struct TopologyRow {
  const char* name;
  std::string payload;
  const char* answer;  // within the payload of what the hub is told
};

TEST_CASE("what a hub may not have it is told") {
  const std::vector<TopologyRow> rows = {
      {"itself", R"({"add":[{"did":"hub-1","link":"ble"}]})", "not its own child"},
      {"a device of nobody knows what",
       R"({"add":[{"did":"new-1","product":"test.light.none","link":"ble"}]})", "no such device"},
      {"a device without a product", R"({"add":[{"did":"new-1","link":"ble"}]})", "no such device"},
      {"a device of another tenant", R"({"add":[{"did":"foreign-1","link":"ble"}]})",
       "no such device"},
      {"another hub's child", R"({"add":[{"did":"taken-1","link":"ble"}]})", "another hub"},
      {"a device that says it is of another product",
       R"({"add":[{"did":"lamp-9","product":"test.hub.one","link":"ble"}]})", "another product"},
      {"an unknown link", R"({"add":[{"did":"lamp-9","link":"smoke"}]})", "link"},
      {"no device id", R"({"add":[{"did":"a b","link":"ble"}]})", "did"},
      {"no JSON", "{", "JSON"},
      {"one it does not have", R"({"remove":["lamp-9"]})", "not a child of this hub"},
  };
  for (const TopologyRow& row : rows) {
    DYNAMIC_SECTION(row.name) {
      Home home;
      home.world.Run(
          "INSERT INTO tenant (id) VALUES ('other') ON CONFLICT DO NOTHING;"
          "INSERT INTO device (id, tenant, product) VALUES ('foreign-1', 'other', 'p'),"
          " ('lamp-9', 'default', 'test.light.one');"
          "INSERT INTO device (id, tenant, product, hub)"
          " VALUES ('taken-1', 'default', 'test.light.one', 'hub-7');"
          "INSERT INTO device_child VALUES ('taken-1', 'ble', 3900000, 0, 1, false, '', 0)");
      home.gateway.Append({home.HubConnected(1)});
      home.gateway.Append({home.Topology(row.payload)});
      const InboxItem answer = home.gateway.AwaitInbox(1).front();
      CAPTURE(answer.deliver().payload());
      CHECK(answer.deliver().payload().find(row.answer) != std::string::npos);
      CHECK(home.world.Sql("SELECT count(*) FROM hub_child") == "0");
    }
  }
}

TEST_CASE("only a device of a hub product has children") {
  Home home;
  home.gateway.Append({Connected("lamp-5", 1)});
  UplinkMessage topology = home.Topology(R"({"add":[{"did":"lamp-6","link":"ble"}]})");
  topology.set_device("lamp-5");
  home.gateway.Append({topology});
  CHECK(home.gateway.AwaitInbox(1).front().deliver().topic() == "device/lamp-5/down/refused");
  CHECK(home.worker->Counts("homeport_registry_refusals_total{reason=\"topology_refused\"}", 1));
}

TEST_CASE("children beyond the limit are given back") {
  Home home({.children_max = 1});
  home.Settle();
  home.gateway.Append(
      {home.Topology(R"({"add":[{"did":"sensor-2","product":"test.light.one","link":"ble"}]})")});
  CHECK(home.worker->Counts("homeport_registry_refusals_total{reason=\"children_max\"}", 1));
  CHECK(home.world.Becomes("SELECT hub FROM device WHERE id = 'sensor-2'", ""));
  CHECK(home.world.Sql("SELECT string_agg(child, ' ') FROM hub_child") == "sensor-1");
}

TEST_CASE("a child that is detached is nobody's") {
  Home home;
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  home.gateway.Append({home.Topology(R"({"remove":["sensor-1"]})")});
  CHECK(home.IsOnline(kChild, false));
  CHECK(home.world.Becomes("SELECT count(*) FROM hub_child", "0"));
  CHECK(home.world.Becomes("SELECT children FROM device WHERE id = 'hub-1'", "0"));
  CHECK(home.world.Sql("SELECT count(*) FROM device_child") == "0");
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 41), 1)});
  CHECK(home.worker->Counts("homeport_registry_refusals_total{reason=\"not_child\"}", 1));
}

// ha_xiaomi_home #1251: OFFLINE was published, ONLINE was not; reports came from a "dead" device.
TEST_CASE("a child thought offline that speaks at a newer epoch is online, and that is published") {
  Home home;
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  home.gateway.Append({Watch(kChild)});
  REQUIRE(Eventually([&] { return home.Told(kChild) == "s+"; }));
  home.gateway.Append({Disconnected(kHub, 1)});
  REQUIRE(home.IsOnline(kChild, false));
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 41), 2)});  // its hub is back
  CHECK(home.IsOnline(kChild, true));
  CHECK(Eventually([&] { return home.Told(kChild) == "s+-+"; }));
}

// ha_xiaomi_home PR #1207: topics were subscribed for devices that were online, once, at the start.
TEST_CASE("who watches an offline child is told so at once, and hears when it comes") {
  Home home;
  home.Settle();
  home.gateway.Append({Watch(kChild)});
  REQUIRE(Eventually([&] { return home.Told(kChild) == "s-"; }));
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  CHECK(Eventually([&] { return home.Told(kChild) == "s-+"; }));
}

// ha_xiaomi_home PR #1393: the gateway came back, its children never did.
TEST_CASE("a hub's return publishes every child") {
  Home home;
  home.Settle();
  home.gateway.Append(
      {home.Topology(R"({"add":[{"did":"sensor-2","product":"test.light.one","link":"ble"}]})")});
  REQUIRE(home.world.Becomes("SELECT children FROM device WHERE id = 'hub-1'", "2"));
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  home.gateway.Append({Watch(kChild)});
  home.gateway.Append({Watch("sensor-2")});  // never heard
  home.gateway.Append({Disconnected(kHub, 1)});
  REQUIRE(home.IsOnline(kChild, false));
  home.gateway.Append({home.HubConnected(2)});
  CHECK(home.IsOnline(kChild, true));
  CHECK(Eventually([&] { return home.Told(kChild) == "s+-+"; }));
  CHECK(Eventually([&] { return home.Told("sensor-2") == "s--"; }));
}

// xiaomi_miot_raw #213: reading a dead mesh device returned the cached value as if good.
TEST_CASE("a silent child goes offline within its limit, and the read says when it was seen") {
  Home home;
  home.Settle(kChild, 1);
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  home.gateway.Append({Watch(kChild)});
  CHECK(home.IsOnline(kChild, false));
  CHECK(home.IsOnline(kHub, true));
  CHECK(Eventually([&] { return home.Told(kChild) == "s+-"; }));
  CHECK(home.worker->Counts("homeport_registry_children_silent_total", 1));
  CHECK(home.world.Sql("SELECT count(*) FROM presence_check") == "0");
  const auto stored =
      FindPresence(home.world.db(), DeviceId(kChild), routing::PartitionOf(kChild, kPartitions));
  REQUIRE(stored.ok());
  CHECK_FALSE(stored->online);
  CHECK(stored->hub == kHub);
  CHECK(stored->seen_ms > SystemClock().Wall().value - kHourMs);
  // The same child speaks again, at the same epoch.
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 41), 1)});
  CHECK(home.IsOnline(kChild, true));
}

// hass-xiaomi-miot #970: an unplugged cooker's values went on changing.
TEST_CASE("stragglers of a session that ended bring nobody back") {
  Home home;
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  home.gateway.Append({Disconnected(kHub, 1)});
  REQUIRE(home.IsOnline(kChild, false));
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 41), 1)});  // it was acknowledged: kept
  CHECK(home.world.Becomes(kReported, R"({"reported":{"light":{"brightness":41}}})"));
  CHECK(home.IsOnline(kChild, false));
  // What another pod appends for an overtaken session was never acknowledged: dropped.
  home.gateway.Append({home.HubConnected(5)});
  REQUIRE(home.world.Becomes("SELECT hub_epoch FROM device_child", "5"));
  Gateway former(home.world, "gateway-2");
  former.Append({home.ThroughHub(Brightness(kChild, 77), 4)});
  CHECK(home.worker->Counts("homeport_registry_overtaken_messages_total", 1));
  CHECK(home.world.Sql(kReported) == R"({"reported":{"light":{"brightness":41}}})");
  UplinkMessage once = home.ThroughHub(Brightness(kChild, 78), 4);
  once.set_once(true);  // of QoS 2: the hub was told that it is received
  former.Append({once});
  CHECK(home.world.Becomes(kReported, R"({"reported":{"light":{"brightness":78}}})"));
}

// XiaomiGateway3's rule: a coin-cell sensor is online though silent for an hour.
TEST_CASE("a child silent for less than its class's limit stays online") {
  Home home;
  home.Settle();
  UplinkMessage report = home.ThroughHub(Brightness(kChild, 40), 1);
  report.set_received_ms(SystemClock().Wall().value - kHourMs);  // it waited in the stream
  home.gateway.Append({report});
  CHECK(home.IsOnline(kChild, true));
  CHECK(home.world.Becomes("SELECT count(*) FROM presence_check", "1"));
}

TEST_CASE("a successor keeps time for the children it takes over") {
  Home home({.pod = "registry-1", .lease_ms = 1000});
  home.Settle(kChild, 2);
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  home.worker.reset();
  home.worker = std::make_unique<TestWorker>(home.world, TestWorker::Options{.pod = "registry-2"});
  CHECK(home.IsOnline(kChild, false));
}

TEST_CASE("a connection that breaks off and is back in time is no news") {
  Home home({.presence_grace_ms = 60'000});
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  home.gateway.Append({Watch(kHub)});
  UplinkMessage broken = Disconnected(kHub, 1);
  internal::v1::Disconnected why;
  why.set_reason("CONNECTION_LOST");
  broken.set_payload(why.SerializeAsString());
  home.gateway.Append({broken});
  REQUIRE(home.world.Becomes("SELECT count(*) FROM device_session", "0"));
  CHECK(home.world.Sql("SELECT string_agg(online::text, ' ') FROM device") == "true true");
  home.gateway.Append({home.HubConnected(2)});
  REQUIRE(home.world.Becomes("SELECT hub_epoch FROM device_child", "2"));
  CHECK(home.Told(kHub) == "s+");
  CHECK(home.worker->Counts("homeport_registry_presence_flaps_total", 1));
  // A goodbye is believed at once.
  home.gateway.Append({Disconnected(kHub, 2)});
  CHECK(home.IsOnline(kHub, false));
  CHECK(home.IsOnline(kChild, false));
}

TEST_CASE("another client that joins while a hub is awaited keeps no child alive") {
  Home home({.presence_grace_ms = 60'000});
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  REQUIRE(home.IsOnline(kChild, true));
  UplinkMessage broken = Disconnected(kHub, 1);
  internal::v1::Disconnected why;
  why.set_reason("CONNECTION_LOST");
  broken.set_payload(why.SerializeAsString());
  UplinkMessage tool = home.HubConnected(2);
  tool.set_session(8);
  tool.set_client("tool");
  home.gateway.Append({broken, tool});
  CHECK(home.IsOnline(kChild, false));
  CHECK(home.IsOnline(kHub, true));
  broken.set_client("tool");
  why.set_reason("CLIENT_INITIATED_DISCONNECT");
  broken.set_epoch(2);
  broken.set_payload(why.SerializeAsString());
  home.gateway.Append({broken});
  CHECK(home.IsOnline(kHub, false));
  CHECK(home.world.Sql("SELECT hub_online FROM device_child") == "f");
}

TEST_CASE("a child that answers a command is heard") {
  Home home;
  home.Settle();
  REQUIRE(home.IsOnline(kChild, false));
  home.gateway.Append({home.ThroughHub(Message(UplinkMessage::KIND_REPLIED, kChild), 1)});
  CHECK(home.IsOnline(kChild, true));
  CHECK(home.world.Sql(kReported).empty());
}

TEST_CASE("a connection that breaks off and stays away is offline when its grace has passed") {
  Home home({.presence_grace_ms = 700});
  home.Settle();
  home.gateway.Append({home.ThroughHub(Brightness(kChild, 40), 1)});
  UplinkMessage broken = Disconnected(kHub, 1);
  internal::v1::Disconnected why;
  why.set_reason("CONNECTION_LOST");
  broken.set_payload(why.SerializeAsString());
  home.gateway.Append({broken});
  REQUIRE(home.world.Becomes("SELECT count(*) FROM device_session", "0"));
  CHECK(home.IsOnline(kHub, false));
  CHECK(home.IsOnline(kChild, false));
}

}  // namespace
}  // namespace homeport::registry::testing
