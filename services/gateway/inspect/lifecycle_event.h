#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// AWS IoT's lifecycle events: their topics and their JSON. Pure.
namespace homeport::gateway {

// Begins every topic of theirs.
inline constexpr std::string_view kEventTopics = "$aws/events/";

// Whether a filter (without "$share/<group>/") could match a topic of theirs.
[[nodiscard]] bool MatchesEvents(std::string_view filter);

enum class EventType : uint8_t { kConnected, kDisconnected, kSubscribed, kUnsubscribed };

// What every event tells. Views borrow.
struct EventSubject {
  std::string_view client;
  int64_t time_ms = 0;  // Unix ms
  // Of the connection: 32 hexadecimal digits.
  std::string session;
  // The certificate's id, or what else the client proved to be.
  std::string principal;
  uint64_t version = 0;  // the same for one connection, rising with each of a client
};

// "$aws/events/presence/connected/{client}", …; empty where the client id cannot stand in a topic.
[[nodiscard]] std::string EventTopic(EventType type, std::string_view client);

[[nodiscard]] std::string ConnectedEvent(const EventSubject& subject, std::string_view ip_address);
// `cause`: CloseCause's word.
[[nodiscard]] std::string DisconnectedEvent(const EventSubject& subject, std::string_view cause);
// `type`: kSubscribed or kUnsubscribed.
[[nodiscard]] std::string SubscriptionEvent(EventType type, const EventSubject& subject,
                                            const std::vector<std::string>& filters);

// "192.0.2.1" of "192.0.2.1:50123", "2001:db8::1" of "[2001:db8::1]:50123".
[[nodiscard]] std::string_view IpOf(std::string_view endpoint);

}  // namespace homeport::gateway
