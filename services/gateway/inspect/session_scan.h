#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "services/gateway/inspect/session_view.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Answers questions that go over all sessions of the shard: a few thousand slots at a time, so that
// no session waits for an operator. Shard's thread only.
class SessionScan {
 public:
  // The sessions, without their names, and where a page goes on.
  using OnDone = absl::AnyInvocable<void(internal::v1::SessionAnswer)>;

  explicit SessionScan(ShardContext& context) : c_(context), view_(context) {}

  // False where eight are under way. `tenant`: whose sessions.
  [[nodiscard]] bool Start(const internal::v1::ScanSessions& what, const std::string& tenant,
                           OnDone on_done);

 private:
  struct Walk;
  void Step(std::shared_ptr<Walk> walk);
  void Visit(Walk& walk, const Session& session);
  void AddMostActive(Walk& walk);
  void AddMostQueued(Walk& walk);
  ShardContext& c_;
  SessionView view_;
  int walks_ = 0;
};

}  // namespace homeport::gateway
