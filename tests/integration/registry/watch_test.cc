#include <catch2/catch.hpp>

#include "libs/routing/keys.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

using internal::v1::DeviceChange;

const std::string kDevice = "lamp-1";

UplinkMessage Watch(UplinkMessage::Kind kind = UplinkMessage::KIND_WATCH) {
  UplinkMessage message = Message(kind, kDevice);
  message.set_session(0);
  message.set_epoch(0);
  return message;
}

TEST_CASE("a watcher gets a snapshot and then every change, in order") {
  World world;
  Gateway devices(world, "gateway-1");
  Gateway phones(world, "gateway-2");
  TestWorker worker(world);
  devices.Append({Connected(kDevice), Brightness(kDevice, 1)});
  CHECK(world.Becomes("SELECT version FROM shadow", "1"));
  phones.Append({Watch()});
  std::vector<InboxItem> inbox = phones.AwaitInbox(1);
  CHECK(inbox[0].change().kind() == DeviceChange::KIND_SNAPSHOT);
  CHECK(inbox[0].change().device() == kDevice);
  CHECK(inbox[0].change().product() == kProduct);
  CHECK(inbox[0].change().online());
  CHECK(inbox[0].change().version() == 1);
  CHECK(inbox[0].change().reported() == R"({"light":{"brightness":1}})");

  UplinkMessage event = Message(UplinkMessage::KIND_EVENT, kDevice);
  event.set_detail("2/1");
  event.set_payload(R"({"arguments":[8]})");
  devices.Append({Brightness(kDevice, 2), Brightness(kDevice, 2), Brightness(kDevice, 3), event,
                  ShadowUpdate(kDevice, R"({"state":{"reported":{"light":null,"x":1}}})"),
                  Disconnected(kDevice)});
  inbox = phones.AwaitInbox(6);
  REQUIRE(inbox.size() == 6);
  CHECK(inbox[1].change().reported() == R"({"light":{"brightness":2}})");
  CHECK(inbox[1].change().version() == 2);
  CHECK(inbox[2].change().reported() == R"({"light":{"brightness":3}})");
  CHECK(inbox[2].change().version() == 4);  // the report that changed nothing made version 3
  CHECK(inbox[3].change().kind() == DeviceChange::KIND_EVENT);
  CHECK(inbox[3].change().event() == "light.pressed");
  CHECK(inbox[3].change().reported() == R"({"brightness":8})");
  CHECK(inbox[4].change().kind() == DeviceChange::KIND_CHANGE);
  CHECK(inbox[4].change().reported() == R"({"light":null,"x":1})");
  CHECK(inbox[5].change().kind() == DeviceChange::KIND_PRESENCE);
  CHECK_FALSE(inbox[5].change().online());
}

TEST_CASE("watching outlives the registry pod, and ends when it is not renewed") {
  World world;
  Gateway gateway(world);
  {
    TestWorker worker(world);
    gateway.Append({Connected(kDevice), Watch()});
    CHECK(gateway.AwaitInbox(1).size() == 1);
  }
  TestWorker worker(world);
  gateway.Append({Brightness(kDevice, 2)});
  CHECK(gateway.AwaitInbox(2)[1].change().kind() == DeviceChange::KIND_CHANGE);
  SECTION("unwatched") {
    gateway.Append({Watch(UplinkMessage::KIND_UNWATCH)});
    CHECK(world.Becomes("SELECT count(*) FROM watch", "0"));
    gateway.Append({Brightness(kDevice, 3)});
    CHECK(world.Becomes("SELECT version FROM shadow", "2"));
    CHECK(gateway.Inbox().size() == 2);
  }
  SECTION("renewed, without a snapshot") {
    const std::string before = world.Sql("SELECT expires_ms FROM watch");
    gateway.Append({Watch(UplinkMessage::KIND_WATCH_RENEW)});
    CHECK(world.Becomes("SELECT expires_ms > " + before + " FROM watch", "t"));
    CHECK(gateway.Inbox().size() == 2);
  }
}

TEST_CASE("nothing goes to a pod that is gone") {
  World world;
  Gateway devices(world, "gateway-1");
  Gateway phones(world, "gateway-2");
  world.Redis({"DEL", routing::InboxKey("gateway-2")});
  TestWorker worker(world);
  phones.Append({Watch()});
  devices.Append({Connected(kDevice), Brightness(kDevice, 1)});
  CHECK(world.Becomes("SELECT version FROM shadow", "1"));
  CHECK(Eventually([&] { return worker.Metric("homeport_registry_inbox_skipped_total") >= 1; }));
  CHECK(phones.Inbox().empty());
}

}  // namespace
}  // namespace homeport::registry::testing
