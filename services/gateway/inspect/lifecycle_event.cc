#include "services/gateway/inspect/lifecycle_event.h"

#include <algorithm>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/json/value.h"
#include "libs/mqtt/topic.h"

namespace homeport::gateway {
namespace {

constexpr std::string_view kReasons[] = {"AUTH_ERROR",
                                         "CLIENT_INITIATED_DISCONNECT",
                                         "CLIENT_ERROR",
                                         "CONNECTION_LOST",
                                         "DUPLICATE_CLIENTID",
                                         "FORBIDDEN_ACCESS",
                                         "MQTT_KEEP_ALIVE_TIMEOUT",
                                         "SERVER_ERROR",
                                         "SERVER_INITIATED_DISCONNECT",
                                         "API_INITIATED_DISCONNECT",
                                         "THROTTLED"};

// AWS IoT has no word of its own for a broker that drains.
std::string_view ReasonOf(std::string_view cause) {
  if (cause == "SERVER_SHUTDOWN") return "SERVER_INITIATED_DISCONNECT";
  const auto* known = std::find(std::begin(kReasons), std::end(kReasons), cause);
  return known == std::end(kReasons) ? "UNKNOWN" : *known;
}

std::string_view Name(EventType type) {
  switch (type) {
    case EventType::kConnected:
      return "connected";
    case EventType::kDisconnected:
      return "disconnected";
    case EventType::kSubscribed:
      return "subscribed";
    case EventType::kUnsubscribed:
      break;
  }
  return "unsubscribed";
}

bool IsPresence(EventType type) {
  return type == EventType::kConnected || type == EventType::kDisconnected;
}

json::Object Begin(EventType type, const EventSubject& subject) {
  json::Object event;
  event.Set("clientId", subject.client);
  event.Set("timestamp", subject.time_ms);
  event.Set("eventType", Name(type));
  event.Set("sessionIdentifier", subject.session);
  event.Set("principalIdentifier", subject.principal);
  if (IsPresence(type)) event.Set("versionNumber", subject.version);
  return event;
}

}  // namespace

bool MatchesEvents(std::string_view filter) {
  constexpr std::string_view kFirst = "$aws/";
  if (filter.substr(0, kFirst.size()) != kFirst) return false;
  filter.remove_prefix(kFirst.size());
  const std::string_view second = filter.substr(0, filter.find('/'));
  return second == "events" || second == "+" || second == "#";
}

std::string EventTopic(EventType type, std::string_view client) {
  std::string topic =
      fmt::format("{}{}/{}/{}", kEventTopics, IsPresence(type) ? "presence" : "subscriptions",
                  Name(type), client);
  return mqtt::IsValidTopicName(topic) ? topic : std::string();
}

std::string ConnectedEvent(const EventSubject& subject, std::string_view ip_address) {
  json::Object event = Begin(EventType::kConnected, subject);
  event.Set("ipAddress", ip_address);
  return json::Print(event);
}

std::string DisconnectedEvent(const EventSubject& subject, std::string_view cause) {
  json::Object event = Begin(EventType::kDisconnected, subject);
  const std::string_view reason = ReasonOf(cause);
  event.Set("clientInitiatedDisconnect", reason == "CLIENT_INITIATED_DISCONNECT");
  event.Set("disconnectReason", reason);
  return json::Print(event);
}

std::string SubscriptionEvent(EventType type, const EventSubject& subject,
                              const std::vector<std::string>& filters) {
  json::Object event = Begin(type, subject);
  json::Array topics;
  for (const std::string& filter : filters) topics.emplace_back(filter);
  event.Set("topics", std::move(topics));
  return json::Print(event);
}

std::string_view IpOf(std::string_view endpoint) {
  const std::string_view host = endpoint.substr(0, endpoint.rfind(':'));
  if (host.size() < 2 || host.front() != '[') return host;
  return host.substr(1, host.size() - 2);
}

}  // namespace homeport::gateway
