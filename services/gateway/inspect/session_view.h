#pragma once

#include <cstdint>
#include <string_view>

#include "homeport/session/v1/session.pb.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Of which tenant a session is; empty where this pod does not know.
[[nodiscard]] std::string_view TenantOf(const Identity& identity);

// Whether a caller of `tenant` may see the session: one that is on its way to being one is
// nobody's.
[[nodiscard]] bool MaySee(const Session& session, std::string_view tenant, bool anonymous);

// What waits for a session's client.
struct Backlog {
  uint32_t in_flight = 0;  // messages sent and not acknowledged
  uint32_t messages = 0;   // that wait for that, or for the client to come back
  uint64_t bytes = 0;      // payloads of both, and bytes that the socket has not taken
};
[[nodiscard]] Backlog BacklogOf(const Session& session);

// Sessions as SessionService tells of them. Shard's thread only.
class SessionView {
 public:
  explicit SessionView(const ShardContext& context) : c_(context) {}

  enum class Detail : uint8_t { kList, kFull };  // with subscriptions
  // Fills all but the name. REQUIRES: the session is online or away.
  void Describe(const Session& session, Detail detail, session::v1::Session& out) const;

 private:
  void DescribeConnection(const Session& session, session::v1::Session& out) const;
  void DescribeTraffic(const Session& session, session::v1::Session& out) const;

  const ShardContext& c_;
};

}  // namespace homeport::gateway
