#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/registry_probe.h"
#include "services/registry/shared_view.h"

namespace homeport::registry {

struct MembershipOptions {
  std::string pod;
  uint32_t partitions = 64;
  int64_t lease_ms = 10'000;  // a member that was silent for so long is none
  postgres::ConnectOptions postgres;
};

// Keeps this pod among the members of the table registry_member, and publishes which partitions it
// should own by rendezvous hashing over the members alive. PostgreSQL's clock decides who is. While
// PostgreSQL is away the last answer stands. A thread of its own.
class Membership {
 public:
  Membership(MembershipOptions options, ServiceProbe& probe);
  ~Membership();  // as Stop

  void Start();
  // Leaves: the pod wants nothing any more and the others may share its partitions.
  void Stop();

  [[nodiscard]] const PartitionView& wanted() const { return wanted_; }

 private:
  void Run();
  [[nodiscard]] absl::Status Beat();
  void Leave();

  const MembershipOptions options_;
  ServiceProbe& probe_;
  std::unique_ptr<postgres::Connection> postgres_;
  PartitionView wanted_;
  Backoff backoff_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
