#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/ids.h"
#include "libs/net/reactor.h"
#include "libs/redis/client.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// Reads this shard's inbox stream, in order, each entry once; what has been read is trimmed.
// Shard's thread only.
class Inbox {
 public:
  using OnItem = absl::AnyInvocable<void(const internal::v1::InboxItem&)>;

  // `connection`: the inbox has its own, since reading blocks it.
  Inbox(net::Reactor& reactor, redis::Client::Options connection, ShardProbe& probe, PodId pod,
        OnItem on_item);

  void Start();
  void Stop();
  // Reading begins anew, on another connection.
  void Reconnect() { redis_.Reconnect(); }
  // Makes the stream where it is not there, over a connection that no reading blocks. Senders
  // append to streams that exist only, so that a dead shard's inbox stays deleted.
  void Make(redis::Client& redis) const;

 private:
  void Read();
  void OnEntries(const redis::Reply& reply);
  void OnEntry(const redis::Reply& entry);
  void Trim();

  net::Reactor& reactor_;
  ShardProbe& probe_;
  std::string key_;
  OnItem on_item_;
  redis::Client redis_;
  std::string last_id_ = "0";
  uint64_t read_ = 0;
  uint64_t trimmed_at_ = 0;
  bool reading_ = false;
};

}  // namespace homeport::gateway
