#include "services/gateway/inspect/lifecycle_event.h"

#include <catch2/catch.hpp>

namespace homeport::gateway {
namespace {

EventSubject Subject() {
  return {"lamp-1", 1573002230757, "a4666d2a7d844ae4ac5d7b38c9cb7967", "acme.lamp/lamp-1", 12};
}

TEST_CASE("lifecycle events read as AWS IoT's do") {
  CHECK(ConnectedEvent(Subject(), "192.0.2.0") ==
        R"({"clientId":"lamp-1","timestamp":1573002230757,"eventType":"connected",)"
        R"("sessionIdentifier":"a4666d2a7d844ae4ac5d7b38c9cb7967",)"
        R"("principalIdentifier":"acme.lamp/lamp-1","versionNumber":12,"ipAddress":"192.0.2.0"})");
  CHECK(DisconnectedEvent(Subject(), "CONNECTION_LOST") ==
        R"({"clientId":"lamp-1","timestamp":1573002230757,"eventType":"disconnected",)"
        R"("sessionIdentifier":"a4666d2a7d844ae4ac5d7b38c9cb7967",)"
        R"("principalIdentifier":"acme.lamp/lamp-1","versionNumber":12,)"
        R"("clientInitiatedDisconnect":false,"disconnectReason":"CONNECTION_LOST"})");
  CHECK(SubscriptionEvent(EventType::kSubscribed, Subject(), {"a/b", "c/\"#"}) ==
        R"({"clientId":"lamp-1","timestamp":1573002230757,"eventType":"subscribed",)"
        R"("sessionIdentifier":"a4666d2a7d844ae4ac5d7b38c9cb7967",)"
        R"("principalIdentifier":"acme.lamp/lamp-1","topics":["a/b","c/\"#"]})");
}

struct ReasonCase {
  const char* cause;
  const char* reason;
  bool by_client;
};

TEST_CASE("every end of a session has one of AWS IoT's reasons") {
  for (const ReasonCase& c : {
           ReasonCase{"CLIENT_INITIATED_DISCONNECT", "CLIENT_INITIATED_DISCONNECT", true},
           ReasonCase{"DUPLICATE_CLIENTID", "DUPLICATE_CLIENTID", false},
           ReasonCase{"MQTT_KEEP_ALIVE_TIMEOUT", "MQTT_KEEP_ALIVE_TIMEOUT", false},
           ReasonCase{"SERVER_SHUTDOWN", "SERVER_INITIATED_DISCONNECT", false},
           ReasonCase{"SOMETHING_NEW", "UNKNOWN", false},
       }) {
    INFO(c.cause);
    const std::string event = DisconnectedEvent(Subject(), c.cause);
    CHECK(event.find(std::string("\"disconnectReason\":\"") + c.reason + "\"") !=
          std::string::npos);
    CHECK((event.find("\"clientInitiatedDisconnect\":true") != std::string::npos) == c.by_client);
  }
}

TEST_CASE("the topic of an event names its client, where it can") {
  CHECK(EventTopic(EventType::kConnected, "c") == "$aws/events/presence/connected/c");
  CHECK(EventTopic(EventType::kDisconnected, "c") == "$aws/events/presence/disconnected/c");
  CHECK(EventTopic(EventType::kSubscribed, "c") == "$aws/events/subscriptions/subscribed/c");
  CHECK(EventTopic(EventType::kUnsubscribed, "a/b") ==
        "$aws/events/subscriptions/unsubscribed/a/b");
  CHECK(EventTopic(EventType::kConnected, "c/+").empty());
  CHECK(EventTopic(EventType::kConnected, "#").empty());
}

TEST_CASE("filters that could match an event") {
  for (const char* filter : {"$aws/events/#", "$aws/events/presence/+/+", "$aws/#", "$aws/+/x"}) {
    INFO(filter);
    CHECK(MatchesEvents(filter));
  }
  for (const char* filter :
       {"#", "+/events/#", "$aws", "$aws/things/d/shadow/#", "$aws/eventsx/#"}) {
    INFO(filter);
    CHECK_FALSE(MatchesEvents(filter));
  }
}

TEST_CASE("an address without its port") {
  CHECK(IpOf("192.0.2.1:50123") == "192.0.2.1");
  CHECK(IpOf("[2001:db8::1]:50123") == "2001:db8::1");
  CHECK(IpOf("?") == "?");
}

}  // namespace
}  // namespace homeport::gateway
