#include "services/gateway/flow/hub_rights.h"

#include <catch2/catch.hpp>

#include "services/gateway/identity/directory.h"

namespace homeport::gateway {
namespace {

struct SessionOf {
  explicit SessionOf(bool is_hub) {
    auto product = std::make_shared<ProductInfo>();
    product->is_hub = is_hub;
    session.identity = std::make_unique<Identity>();
    session.identity->device = session.identity->client = "hub-1";
    session.identity->product = product;
  }
  Session session;
};

std::string Child(const Session& session, const char* name) {
  auth::Topic topic = auth::Classify(name, "hub-1");
  return std::string(ChildOf(session, name, topic));
}

TEST_CASE("a hub speaks for other devices on their topics") {
  const SessionOf hub(true);
  auth::Topic topic = auth::Classify("device/sensor-1/up/event/2/1", "hub-1");
  CHECK(ChildOf(hub.session, "device/sensor-1/up/event/2/1", topic) == "sensor-1");
  CHECK(topic.topic_class == auth::TopicClass::kUpEvent);
  CHECK(topic.detail == "2/1");
  CHECK(Child(hub.session, "$aws/things/sensor-1/shadow/update") == "sensor-1");
  CHECK(Child(hub.session, "device/sensor-1/up/reply/p.1") == "sensor-1");
}

TEST_CASE("what no child would say, no hub says for it") {
  const SessionOf hub(true);
  for (const char* name : {"device/sensor-1/down/set/1", "device/sensor-1/up/topology",
                           "device/sensor-1/up/x", "device/a b/up/properties",
                           "device//up/properties", "home/x", "device/hub-1/up/properties"}) {
    INFO(name);
    CHECK(Child(hub.session, name).empty());
  }
}

TEST_CASE("devices that are no hubs speak for themselves only") {
  const SessionOf lamp(false);
  SessionOf anonymous(true);
  anonymous.session.identity->product = nullptr;
  for (const SessionOf* device : {&lamp, static_cast<const SessionOf*>(&anonymous)}) {
    CHECK(Child(device->session, "device/sensor-1/up/properties").empty());
    CHECK_FALSE(IsOwnFilter(device->session, "device/+/down/#"));
    CHECK(IsOwnFilter(device->session, "device/hub-1/down/#"));
  }
}

TEST_CASE("a hub subscribes for its children, one or all") {
  const SessionOf hub(true);
  CHECK(IsOwnFilter(hub.session, "device/+/down/#"));
  CHECK(IsOwnFilter(hub.session, "device/sensor-1/down/set/+"));
  CHECK_FALSE(IsOwnFilter(hub.session, "device/#"));
  CHECK_FALSE(IsOwnFilter(hub.session, "home/#"));
}

}  // namespace
}  // namespace homeport::gateway
