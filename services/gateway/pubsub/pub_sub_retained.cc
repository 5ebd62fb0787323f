// The part of PubSub for retained messages: they are read from Redis as fast as the client takes
// them.

#include <algorithm>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/mqtt/topic.h"
#include "libs/routing/keys.h"
#include "services/gateway/pubsub/settling.h"
#include "services/gateway/stream/stream_pos.h"

namespace homeport::gateway {
namespace {

// Entries that one step of a scan looks at: so many at first, then as many as yield about that many
// bytes, which wait here for the client.
constexpr size_t kFirstStep = 16;
constexpr size_t kStepMax = 500;
constexpr size_t kStepBytes = 256 << 10;
constexpr size_t kScansMax = 16;          // under way; others wait for their turn
constexpr int64_t kUnreadPauseMs = 1000;  // after Redis did not answer
constexpr int64_t kFullPauseMs = 20;      // while the client has no room
constexpr int64_t kPatienceMs = 10'000;   // with a client that takes nothing

// A pattern of Redis's that all topics of the filter match, and few others.
std::string PatternOf(std::string_view filter) {
  const bool with_parent = filter.ends_with("/#");  // [MQTT-4.7.1-2]
  if (with_parent) filter.remove_suffix(2);
  std::string pattern;
  for (const char c : filter) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') pattern += '\\';
    pattern += c == '+' || c == '#' ? '*' : c;
  }
  if (with_parent) pattern += '*';
  return pattern;
}

}  // namespace

void PubSub::SendRetained(std::shared_ptr<Settling> settling) {
  if (!settling->retained) return Release(*settling);
  settling->answers = 0;
  settling->cursor = "0";
  settling->step = kFirstStep;
  settling->fed_at = c_.reactor.now();
  if (mqtt::HasWildcard(settling->filter)) {
    scans_.push_back(std::move(settling));
    return ScanRetained();
  }
  const std::string key = routing::RetainedKey(settling->first_partition);
  redis_.Send({"HGET", key, settling->filter}, [this, settling](const redis::Reply& reply) {
    if (!reply.ok()) return SendRetainedLater(settling);
    if (!reply.is_nil()) OnRetained(*settling, reply.text());
    settling->answers = settling->partitions;
    Feed(settling);
  });
}

// The subscription has been granted with them: the client waits for Redis, too.
void PubSub::SendRetainedLater(const std::shared_ptr<Settling>& settling) {
  c_.probe.Refuse("retained_unread");
  const Session* there = c_.io.sessions().FindKept(settling->session);
  log::Refusal("retained_unread",
               {{"client", there != nullptr ? there->identity->client : std::string()},
                {"filter", settling->filter},
                {"reason", "Redis did not answer"},
                {"next", "again in 1 s"}});
  c_.reactor.After(kUnreadPauseMs, [this, settling] {
    Session* session = nullptr;
    if (FilterOf(*settling, &session) == nullptr) return Release(*settling);
    SendRetained(settling);
  });
}

// A step of each that waits, in turn. Those of sessions that have ended are forgotten.
void PubSub::ScanRetained() {
  while (scans_under_way_ < kScansMax && !scans_.empty()) {
    std::shared_ptr<Settling> settling = std::move(scans_.front());
    scans_.pop_front();
    if (c_.io.sessions().FindKept(settling->session) == nullptr) continue;
    ++scans_under_way_;
    const std::string key = routing::RetainedKey(settling->first_partition + settling->answers);
    const std::string cursor = settling->cursor;
    const std::string pattern = PatternOf(settling->filter);
    const std::string step = std::to_string(settling->step);
    redis_.Send({"HSCAN", key, cursor, "MATCH", pattern, "COUNT", step},
                [this, settling = std::move(settling)](const redis::Reply& reply) {
                  --scans_under_way_;
                  OnScanned(settling, reply);
                  ScanRetained();
                });
  }
}

void PubSub::OnScanned(const std::shared_ptr<Settling>& settling, const redis::Reply& reply) {
  Session* session = nullptr;
  if (FilterOf(*settling, &session) == nullptr) return Release(*settling);
  if (!reply.ok() || reply.size() != 2) return SendRetainedLater(settling);
  const redis::Reply found = reply[1];
  size_t bytes = 1;
  for (size_t i = 0; i + 1 < found.size(); i += 2) {
    bytes += found[i + 1].text().size();
    const std::string_view topic = found[i].text();
    if (!mqtt::Matches(settling->filter, topic)) continue;
    if (settling->found.insert(Hash64(topic)).second) OnRetained(*settling, found[i + 1].text());
  }
  settling->step = std::clamp<size_t>(settling->step * kStepBytes / bytes, 1,
                                      std::min(kStepMax, settling->step * 8));
  settling->cursor = std::string(reply[0].text());
  if (settling->cursor == "0") ++settling->answers;
  Feed(settling);
}

// Where it is still the topic's retained message.
void PubSub::ForgetRetained(std::string_view topic, std::string_view bytes) {
  static const redis::Script script(R"lua(
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('DECRBY', KEYS[2], #ARGV[1] + #ARGV[2])
end
)lua");
  const uint32_t partition = c_.bus.PartitionOf(topic);
  redis_.Eval(script,
              {"2", routing::RetainedKey(partition), routing::RetainedBytesKey(partition),
               std::string(topic), std::string(bytes)},
              [](const redis::Reply&) {});
}

void PubSub::OnRetained(Settling& settling, std::string_view bytes) {
  Session* session = nullptr;
  const BusFilter* filter = FilterOf(settling, &session);
  const RetainedValue value = ParseRetained(bytes);
  auto message = std::make_shared<BusMessage>();
  if (filter == nullptr ||
      !message->ParseFromArray(value.message.data(), static_cast<int>(value.message.size()))) {
    return;
  }
  if (message->has_expiry_s() &&
      message->received_ms() + int64_t{message->expiry_s()} * 1000 <= c_.reactor.wall().value) {
    return ForgetRetained(message->topic(), bytes);  // section 3.3.1.3
  }
  if (filter->no_local && IsOf(*session, *message)) return;  // [MQTT-3.8.3-3]
  // Published after SUBSCRIBE: it comes with the stream.
  const size_t at = c_.bus.PartitionOf(message->topic()) - settling.first_partition;
  if (at < settling.live.size() && value.place > settling.live[at]) return;
  OutMessage out;
  out.qos = static_cast<mqtt::Qos>(std::min(static_cast<uint32_t>(filter->qos), message->qos()));
  if (filter->id) out.subscription_ids.push_back(*filter->id);
  out.retain = true;  // [MQTT-3.3.1-8]
  out.message = std::move(message);
  settling.ready.push_back(std::move(out));
}

// What was read goes to the client; then more is read.
void PubSub::Feed(const std::shared_ptr<Settling>& settling) {
  Session* session = nullptr;
  while (settling->fed < settling->ready.size()) {
    if (FilterOf(*settling, &session) == nullptr) return Release(*settling);
    OutMessage& next = settling->ready[settling->fed];
    const bool has_room = delivery_.HasRoom(*session, next);
    if (!has_room && MayWait(*session) && c_.reactor.now() - settling->fed_at < kPatienceMs) {
      c_.reactor.After(kFullPauseMs, [this, settling] { Feed(settling); });
      return;
    }
    if (has_room) settling->fed_at = c_.reactor.now();
    ++settling->fed;
    static_cast<void>(delivery_.Send(*session, std::move(next), nullptr));
  }
  settling->ready.clear();
  settling->fed = 0;
  if (settling->answers == settling->partitions) return Release(*settling);
  scans_.push_back(settling);
  ScanRetained();
}

// Not where the client's next SUBSCRIBE is held back, and its acknowledgements with it, nor where
// what is published meanwhile would soon be too much, nor for ever: then it is as with any message,
// and what finds no room is dropped.
bool PubSub::MayWait(const Session& session) {
  const Subscriber& subscriber = *session.cold->subscriber;
  return !subscriber.holds_back && subscriber.held.size() < kHeldMax / 2 &&
         subscriber.held_bytes < kHeldBytesMax / 2;
}

}  // namespace homeport::gateway
