#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// Appends items to the inboxes of other shards, one entry per inbox and loop iteration. Shard's
// thread only.
class Outbox {
 public:
  Outbox(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe)
      : reactor_(reactor), redis_(redis), probe_(probe) {}

  // Sent at the end of the iteration. An item that Redis does not take, or that comes while 16 MiB
  // await its answer, but for kicks, is counted and dropped: each has a deadline or an epoch by
  // which its sender recovers. Kicks are sent again until Redis takes them, or the pod is gone:
  // without one a connection would go on that is another's.
  void Add(const std::string& pod, internal::v1::InboxItem item);

 private:
  void Flush();
  void Repeat(const std::string& pod, std::vector<internal::v1::InboxItem> kicks,
              bool may_be_there);
  void Drop(const std::string& key, int items, std::string_view reason);

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  std::map<std::string, internal::v1::InboxBatch> batches_;
  size_t bytes_ = 0;  // to be sent, or unanswered
  bool scheduled_ = false;
};

}  // namespace homeport::gateway
