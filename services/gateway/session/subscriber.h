#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/mqtt/packets.h"
#include "services/gateway/stream/bus.h"

namespace homeport::gateway {

struct SharedGroup;

// A subscription to topics that are no device's own.
struct BusFilter {
  std::string filter;  // of a shared subscription: without "$share/<group>/"
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  bool no_local = false;
  bool retain_as_published = false;
  std::optional<uint32_t> id;
  SharedGroup* group = nullptr;  // of a shared subscription
  // Messages up to here were there before the subscription: one place for each partition that the
  // filter can match, from `first_partition` on.
  uint32_t first_partition = 0;
  std::vector<StreamPos> since;

  // Also while it is not known yet.
  [[nodiscard]] bool IsBehind(uint32_t partition, StreamPos pos) const {
    const uint32_t at = partition - first_partition;
    return at >= since.size() || pos <= since[at];
  }
};

// Whether a session's client may have got messages over an earlier connection that its former pod
// did not come to store, so that they go with DUP.
enum class Missed : uint8_t {
  kNotSent,
  kMaybeSent,
  kStillSent,  // the connection is another pod's, which has been told to end it
};

// A session's part in messages between clients. Lives while it has such a subscription.
struct Subscriber {
  struct Held {
    uint32_t partition = 0;
    BusPlace place;
    SharedMessage message;
  };
  std::vector<std::unique_ptr<BusFilter>> filters;  // their addresses stay
  // Subscriptions whose place in the streams, or whose retained messages, Redis is being asked for.
  int unsettled = 0;
  // Those that ask again for what is retained, and come first to what was published before.
  int approaching = 0;
  bool holds_back = false;   // the client's next SUBSCRIBE, while one is unsettled
  bool catching_up = false;  // with what was published while it moved; counts as unsettled
  std::vector<Held> held;    // what was read meanwhile
  size_t held_bytes = 0;     // of topics and payloads
  size_t released = 0;       // of those held: so many have gone out
  bool is_counted = false;  // by PubSub, as it holds some of a session that outlives its connection
  // Of a session that came from elsewhere: what it has had of each partition.
  std::vector<std::pair<uint32_t, BusPlace>> had;
  Missed missed = Missed::kNotSent;  // of what is behind `had`
  // Reactor's ms until which a former connection may get what is published now, too.
  int64_t former_until_ms = 0;
  uint64_t last_visit = 0;  // of PubSub: one message goes to a session once
};

}  // namespace homeport::gateway
