#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/core/downlinks.h"
#include "services/registry/registry_probe.h"

namespace homeport::registry {

// Downlinks of committed transactions on their way into the inboxes of pods, in order. What is not
// yet answered by Redis is kept and sent again: inboxes may see an entry twice, never lose one.
// One thread.
class Outbox {
 public:
  Outbox(const Clock& clock, WorkerProbe& probe) : clock_(clock), probe_(probe) {}

  void Add(Downlinks&& downlinks);
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // Finds out which of the addressed pods live, where that is not known; entries to the others are
  // dropped. REQUIRES: nothing outstanding on `client`.
  [[nodiscard]] absl::Status CheckPods(redis_blocking::Client& client);
  // Pipelines an XADD for every entry; returns how many answers to receive.
  [[nodiscard]] absl::StatusOr<size_t> Send(redis_blocking::Client& client);
  [[nodiscard]] absl::Status Receive(redis_blocking::Client& client, size_t answers);

 private:
  struct Pod {
    bool alive = false;
    MonoMs checked;
  };
  [[nodiscard]] bool IsKnown(const std::string& pod) const;
  void DropToDeadPods();

  const Clock& clock_;
  WorkerProbe& probe_;
  std::deque<InboxEntry> entries_;
  std::unordered_map<std::string, Pod> pods_;
};

}  // namespace homeport::registry
