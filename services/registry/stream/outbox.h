#pragma once

#include <cstddef>
#include <deque>

#include "absl/status/status.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/core/downlinks.h"
#include "services/registry/registry_probe.h"

namespace homeport::registry {

// Downlinks of committed transactions on their way into the inboxes of pods, in order. What is not
// yet answered by Redis is kept and sent again: inboxes may see an entry twice, never lose one.
// One thread.
class Outbox {
 public:
  explicit Outbox(WorkerProbe& probe) : probe_(probe) {}

  void Add(Downlinks&& downlinks);
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // Pipelines an XADD for every entry; returns how many answers to receive. A pod makes its inbox
  // itself, and a dead pod's is deleted: an entry for an inbox that is not there is dropped.
  [[nodiscard]] absl::StatusOr<size_t> Send(redis_blocking::Client& client);
  [[nodiscard]] absl::Status Receive(redis_blocking::Client& client, size_t answers);

 private:
  WorkerProbe& probe_;
  std::deque<InboxEntry> entries_;
};

}  // namespace homeport::registry
