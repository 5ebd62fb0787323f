#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/redis/client.h"
#include "services/gateway/ownership/ownership.h"

namespace homeport::gateway {

// Where sessions are, by their records in Redis, and which pods live. Errors: Unavailable. Shard's
// thread only.
class SessionFinder {
 public:
  explicit SessionFinder(redis::Client& redis) : redis_(redis) {}

  // OK, or what is answered while Redis is away: what pods say goes through it.
  [[nodiscard]] absl::Status Reachable() const;

  // A client's session, connected or waiting for it; nullopt where there is none, or its pod is
  // dead.
  using OnFound = absl::AnyInvocable<void(absl::StatusOr<std::optional<SessionLocation>>)>;
  void Find(const std::string& device, const std::string& client, OnFound on_found);

  // The client ids of a device that are connected.
  using OnClients = absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;
  void FindClients(const std::string& device, OnClients on_clients);

  // In their order.
  using OnPods = absl::AnyInvocable<void(absl::StatusOr<std::vector<std::string>>)>;
  void FindPods(OnPods on_pods);

 private:
  void FindWaiting(const std::string& device, const std::string& client, OnFound on_found);
  void CheckPod(std::optional<SessionLocation> location, OnFound on_found);

  redis::Client& redis_;
};

}  // namespace homeport::gateway
