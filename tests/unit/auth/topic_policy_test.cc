#include "libs/auth/topic_policy.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "libs/mqtt/topic.h"

namespace homeport::auth {
namespace {

constexpr const char* kDevice = "lamp-1";

struct TopicCase {
  const char* topic;
  TopicClass topic_class;
  const char* detail;
  bool cbor;
};

TEST_CASE("topics of a device") {
  using C = TopicClass;
  const TopicCase cases[] = {
      {"device/lamp-1/up/properties", C::kUpProperties, "", false},
      {"device/lamp-1/up/properties/cbor", C::kUpProperties, "", true},
      {"device/lamp-1/up/event/2/1", C::kUpEvent, "2/1", false},
      {"device/lamp-1/up/event/2/1/cbor", C::kUpEvent, "2/1", true},
      {"device/lamp-1/up/event/65535/12345", C::kUpEvent, "65535/12345", false},
      {"device/lamp-1/up/event/light/overheated", C::kUpEvent, "light/overheated", false},
      {"device/lamp-1/up/event/switch-3/click/cbor", C::kUpEvent, "switch-3/click", true},
      {"device/lamp-1/up/event/light/2", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/light/-1", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/light/a b", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/light", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/2", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/2/x", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/2/123456", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/event/2/1/3", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/telemetry/power", C::kUpTelemetry, "power", false},
      {"device/lamp-1/up/telemetry/power/cbor", C::kUpTelemetry, "power", true},
      {"device/lamp-1/up/telemetry/", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/telemetry/a/b", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/reply/pod-0.17", C::kUpReply, "pod-0.17", false},
      {"device/lamp-1/up/reply/pod-0.17/cbor", C::kUpReply, "pod-0.17", true},
      {"device/lamp-1/up/reply", C::kOwnUnknown, "", false},
      {"device/lamp-1/up", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/other", C::kOwnUnknown, "", false},
      {"device/lamp-1", C::kOwnUnknown, "", false},
      {"device/lamp-1/", C::kOwnUnknown, "", false},
      {"device/lamp-1/down/get/1", C::kOwnDown, "", false},
      {"device/lamp-1/down/anything", C::kOwnDown, "", false},
      {"device/lamp-2/up/properties", C::kForeign, "", false},
      {"device/lamp-11/up/properties", C::kForeign, "", false},
      {"device/lamp-/up/properties", C::kForeign, "", false},
      {"device//up/properties", C::kForeign, "", false},
      {"$aws/things/lamp-1/shadow/get", C::kShadowGet, "", false},
      {"$aws/things/lamp-1/shadow/update", C::kShadowUpdate, "", false},
      {"$aws/things/lamp-1/shadow/delete", C::kShadowDelete, "", false},
      {"$aws/things/lamp-1/shadow/name/cfg/get", C::kShadowGet, "cfg", false},
      {"$aws/things/lamp-1/shadow/name/cfg/update", C::kShadowUpdate, "cfg", false},
      {"$aws/things/lamp-1/shadow/name/cfg/delete", C::kShadowDelete, "cfg", false},
      {"$aws/things/lamp-1/shadow/update/accepted", C::kOwnDown, "", false},
      {"$aws/things/lamp-1/shadow/name/cfg/update/delta", C::kOwnDown, "", false},
      {"$aws/things/lamp-1/shadow/name//update", C::kOwnUnknown, "", false},
      {"$aws/things/lamp-1/shadow/name/cfg", C::kOwnUnknown, "", false},
      {"$aws/things/lamp-1/shadow/get/delta", C::kOwnUnknown, "", false},
      {"device/lamp-1/up/topology", C::kUpTopology, "", false},
      {"device/lamp-1/up/topology/cbor", C::kUpTopology, "", true},
      {"$aws/things/lamp-1/shadow", C::kOwnUnknown, "", false},
      {"$aws/things/lamp-1/jobs/get", C::kOwnUnknown, "", false},
      {"$aws/things/lamp-2/shadow/update", C::kForeign, "", false},
      {"$aws/events/presence", C::kReserved, "", false},
      {"$SYS/broker", C::kReserved, "", false},
      {"home/kitchen", C::kGeneral, "", false},
      {"devices/lamp-1/up/properties", C::kGeneral, "", false},
      {"device", C::kGeneral, "", false},
      {"/", C::kGeneral, "", false},
  };
  for (const TopicCase& row : cases) {
    INFO(row.topic);
    const Topic topic = Classify(row.topic, kDevice);
    CHECK(static_cast<int>(topic.topic_class) == static_cast<int>(row.topic_class));
    CHECK(topic.detail == row.detail);
    CHECK(topic.cbor == row.cbor);
  }
}

TEST_CASE("a device publishes what goes up, and nothing that comes down") {
  CHECK(MayPublish(TopicClass::kUpProperties));
  CHECK(MayPublish(TopicClass::kUpReply));
  CHECK(MayPublish(TopicClass::kShadowDelete));
  CHECK_FALSE(MayPublish(TopicClass::kOwnDown));
  CHECK_FALSE(MayPublish(TopicClass::kOwnUnknown));
  CHECK_FALSE(MayPublish(TopicClass::kForeign));
  CHECK_FALSE(MayPublish(TopicClass::kReserved));
}

struct FilterCase {
  const char* filter;
  FilterClass filter_class;
};

TEST_CASE("only the shadow service answers for a thing") {
  CHECK(IsShadowAnswer("$aws/things/lamp/shadow/update/delta"));
  CHECK(IsShadowAnswer("$aws/things/lamp/shadow/get/accepted"));
  CHECK(IsShadowAnswer("$aws/things/lamp/shadow/name/n/delete/rejected"));
  CHECK_FALSE(IsShadowAnswer("$aws/things/lamp/shadow/update"));
  CHECK_FALSE(IsShadowAnswer("$aws/things/lamp/shadow/name/n/get"));
  CHECK_FALSE(IsShadowAnswer("$aws/things/lamp/shadow/other/accepted"));
  CHECK_FALSE(IsShadowAnswer("$aws/things/lamp/jobs/get/accepted"));
  CHECK_FALSE(IsShadowAnswer("$aws/things/lamp"));
  CHECK_FALSE(IsShadowAnswer("device/lamp/down/refused"));
}

TEST_CASE("filters") {
  using C = FilterClass;
  const FilterCase cases[] = {
      {"device/lamp-1/down/#", C::kOwn},
      {"device/lamp-1/down/+/+", C::kOwn},
      {"device/lamp-1/down/get/+", C::kOwn},
      {"device/lamp-1/down/set/#", C::kOwn},
      {"device/lamp-1/down/action/pod.1", C::kOwn},
      {"device/lamp-1/down/refused", C::kOwn},
      {"device/lamp-1/down/topology", C::kOwn},
      {"device/lamp-1/#", C::kOwn},
      {"$aws/things/lamp-1/shadow/update/delta", C::kOwn},
      {"$aws/things/lamp-1/shadow/update", C::kOwn},
      {"$aws/things/lamp-1/shadow/get/+", C::kOwn},
      {"$aws/things/lamp-1/shadow/#", C::kOwn},
      {"$aws/things/lamp-1/#", C::kOwn},
      {"$aws/things/lamp-1/shadow/name/cfg/update/accepted", C::kOwn},
      {"$aws/things/lamp-1/shadow/name/cfg/#", C::kOwn},
      {"$aws/things/lamp-1/shadow/name/+/update/delta", C::kOwn},
      {"device/lamp-1/up/properties", C::kOwnUnknown},
      {"device/lamp-1/down/refuse", C::kOwnUnknown},
      {"device/lamp-1/down/get", C::kOwnUnknown},
      {"device/lamp-1", C::kOwnUnknown},
      {"$aws/things/lamp-1/jobs/notify", C::kOwnUnknown},
      {"#", C::kForeign},
      {"+/lamp-1/down/#", C::kForeign},
      {"+/#", C::kForeign},
      {"device/+/down/#", C::kForeign},
      {"device/#", C::kForeign},
      {"device/lamp-2/down/#", C::kForeign},
      {"device/lamp-11/down/#", C::kForeign},
      {"$aws/#", C::kForeign},
      {"$aws/things/#", C::kForeign},
      {"$aws/+/lamp-1/shadow/#", C::kForeign},
      {"$aws/things/+/shadow/update", C::kForeign},
      {"$SYS/#", C::kReserved},
      {"$aws/events/#", C::kReserved},
      {"home/#", C::kGeneral},
      {"+", C::kGeneral},
  };
  for (const FilterCase& row : cases) {
    INFO(row.filter);
    CHECK(static_cast<int>(ClassifyFilter(row.filter, kDevice)) ==
          static_cast<int>(row.filter_class));
    CHECK(MaySubscribe(row.filter, kDevice) == (row.filter_class == C::kOwn));
  }
}

// One topic of each bit, in the order of the bits.
std::vector<std::string> SentTopics() {
  std::vector<std::string> topics = {
      "device/lamp-1/down/get/p.1",         "device/lamp-1/down/set/p.1",
      "device/lamp-1/down/action/p.1",      "device/lamp-1/down/refused",
      "device/lamp-1/down/get/p.1/cbor",    "device/lamp-1/down/set/p.1/cbor",
      "device/lamp-1/down/action/p.1/cbor", "device/lamp-1/down/refused/cbor",
      "device/lamp-1/down/topology",
  };
  for (const char* prefix : {"$aws/things/lamp-1/shadow/", "$aws/things/lamp-1/shadow/name/cfg/"}) {
    for (const char* verb :
         {"get", "get/accepted", "get/rejected", "update", "update/accepted", "update/rejected",
          "update/delta", "update/documents", "delete", "delete/accepted", "delete/rejected"}) {
      topics.push_back(std::string(prefix) + verb);
    }
  }
  return topics;
}

TEST_CASE("each topic sent to a device has its own bit") {
  const std::vector<std::string> topics = SentTopics();
  REQUIRE(topics.size() == kOwnTopicBits);
  for (size_t i = 0; i < topics.size(); ++i) {
    INFO(topics[i]);
    CHECK(BitOfTopic(topics[i], kDevice) == TopicBits{1} << i);
    CHECK(BitOfTopic(topics[i], "lamp-2") == 0);
  }
  CHECK(BitOfTopic("$aws/things/lamp-1/shadow/update/accepted", kDevice) ==
        Mask(OwnTopicBit::kShadowUpdateAccepted));
  for (const char* none :
       {"device/lamp-1/down/get", "device/lamp-1/down/get/1/2", "device/lamp-1/up/properties",
        "$aws/things/lamp-1/shadow/update/x", "home/x", "$aws/things/lamp-1/shadow/name//get"}) {
    INFO(none);
    CHECK(BitOfTopic(none, kDevice) == 0);
  }
}

TEST_CASE("a filter has bits exactly where it matches all topics of each bit or none") {
  const std::vector<std::string> topics = SentTopics();
  const std::vector<const char*> filters = {
      "device/lamp-1/#",
      "device/lamp-1/down/#",
      "device/lamp-1/down/+",
      "device/lamp-1/down/+/+",
      "device/lamp-1/down/+/+/cbor",
      "device/lamp-1/down/get/+",
      "device/lamp-1/down/get/#",
      "device/lamp-1/down/refused/#",
      "device/lamp-1/+/refused",
      "$aws/things/lamp-1/#",
      "$aws/things/lamp-1/shadow/#",
      "$aws/things/lamp-1/shadow/+",
      "$aws/things/lamp-1/shadow/+/accepted",
      "$aws/things/lamp-1/shadow/get/+",
      "$aws/things/lamp-1/shadow/update/+",
      "$aws/things/lamp-1/shadow/update/#",
      "$aws/things/lamp-1/shadow/update/delta",
      "$aws/things/lamp-1/shadow/update",
      "$aws/things/lamp-1/shadow/name/#",
      "$aws/things/lamp-1/shadow/name/+/update/delta",
      "$aws/things/lamp-1/shadow/name/+/+/accepted",
  };
  for (const char* filter : filters) {
    INFO(filter);
    TopicBits expected = 0;
    for (size_t i = 0; i < topics.size(); ++i) {
      if (mqtt::Matches(filter, topics[i])) expected |= TopicBits{1} << i;
    }
    REQUIRE(expected != 0);
    CHECK(OwnTopicBits(filter, kDevice) == expected);
  }
}

TEST_CASE("whose a topic or a filter is") {
  CHECK(DeviceOf("device/lamp-2/up/properties") == "lamp-2");
  CHECK(DeviceOf("$aws/things/lamp-2/shadow/update") == "lamp-2");
  CHECK(DeviceOf("device/+/down/#") == "+");
  CHECK(DeviceOf("device/lamp-2") == "lamp-2");
  CHECK(DeviceOf("home/lamp-2").empty());
  CHECK(DeviceOf("device").empty());
}

TEST_CASE("a hub publishes for a child what the child would, but not its topology") {
  CHECK(MayPublishForChild(TopicClass::kUpProperties));
  CHECK(MayPublishForChild(TopicClass::kUpReply));
  CHECK(MayPublishForChild(TopicClass::kShadowUpdate));
  CHECK(MayPublish(TopicClass::kUpTopology));
  CHECK_FALSE(MayPublishForChild(TopicClass::kUpTopology));
  CHECK_FALSE(MayPublishForChild(TopicClass::kOwnDown));
  CHECK_FALSE(MayPublishForChild(TopicClass::kForeign));
}

TEST_CASE("filters that match only what is sent to devices") {
  for (const char* filter :
       {"device/lamp-2/down/#", "device/+/down/#", "device/+/down/set/+", "device/+/#",
        "$aws/things/+/shadow/update/delta", "$aws/things/lamp-2/shadow/#"}) {
    INFO(filter);
    CHECK(IsDeviceFilter(filter));
  }
  for (const char* filter : {"device/#", "#", "+/lamp-2/down/#", "device/+/up/#", "home/+",
                             "$aws/#", "$aws/things/#", "$aws/+/lamp-2/shadow/#"}) {
    INFO(filter);
    CHECK_FALSE(IsDeviceFilter(filter));
  }
}

TEST_CASE("filters that must be kept as strings") {
  for (const char* filter :
       {"device/lamp-1/down/get/p.1", "device/lamp-1/down/+/p.1", "device/lamp-1/down/+/cbor",
        "$aws/things/lamp-1/shadow/name/cfg/update/delta", "$aws/things/lamp-1/shadow/name/cfg/#",
        "$aws/things/lamp-1/shadow/+/get/accepted", "device/lamp-2/down/#", "home/x", "#",
        "device/lamp-1/up/properties"}) {
    INFO(filter);
    CHECK(OwnTopicBits(filter, kDevice) == std::nullopt);
  }
}

}  // namespace
}  // namespace homeport::auth
