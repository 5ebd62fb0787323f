#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/redis/client.h"
#include "services/gateway/inspect/lifecycle_event.h"
#include "services/gateway/pubsub/pub_sub.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Publishes lifecycle events of this shard's clients over the bus, to clients of the same tenant on
// any pod: as long as some client anywhere follows them, which a key in Redis says. So a fleet that
// nobody follows costs a look at that key each second. The key outlives a follower's pod until
// another one has adopted its session. Shard's thread only.
class Lifecycle {
 public:
  Lifecycle(ShardContext& context, redis::Client& redis, const PubSub& pub_sub)
      : c_(context), redis_(redis), pub_sub_(pub_sub) {}

  // Whether what is told here goes anywhere.
  [[nodiscard]] bool wanted() const { return wanted_; }

  void Connected(const Session& session);
  // `cause`: CloseCause's word.
  void Disconnected(const Session& session, std::string_view cause);
  // A session that ended with another pod.
  void Ended(const internal::v1::SessionEnded& ended);
  // Of no filters nothing is told.
  void Subscribed(const Session& session, const std::vector<std::string>& filters);
  void Unsubscribed(const Session& session, const std::vector<std::string>& filters);

  // A client of this shard is about to follow events. This shard tells its own at once, others
  // within a second.
  void OnFollower();
  // Once a second.
  void Tick();

 private:
  [[nodiscard]] EventSubject SubjectOf(const Session& session) const;
  void Publish(EventType type, const Session& session, std::string event);
  void Publish(EventType type, std::string_view client, std::string_view tenant, std::string event);
  void Announce();

  ShardContext& c_;
  redis::Client& redis_;
  const PubSub& pub_sub_;
  int64_t announced_ms_ = 0;  // of the monotonic clock; 0: never
  bool wanted_ = false;
};

}  // namespace homeport::gateway
