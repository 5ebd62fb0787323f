#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/inspect/session_scan.h"
#include "services/gateway/inspect/session_view.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Does what operators ask of the sessions of this shard. Shard's thread only.
class SessionDesk {
 public:
  using Reply = absl::AnyInvocable<void(internal::v1::SessionAnswer)>;

  SessionDesk(ShardContext& context, Delivery& delivery)
      : c_(context), delivery_(delivery), view_(context), scan_(context) {}

  // `reply` is called exactly once, unless the call's deadline has passed.
  void Take(const internal::v1::SessionCall& call, Reply reply);

 private:
  // The session that the call is about, online or away. Where it is gone or another's `reply` has
  // been told so, and it is nullptr.
  [[nodiscard]] Session* Find(const internal::v1::SessionCall& call, Reply& reply);
  void FindEnd(uint64_t client, Reply reply) const;
  void Describe(const internal::v1::SessionCall& call, Reply reply);
  void Disconnect(const internal::v1::SessionCall& call, Reply reply);
  void Publish(const internal::v1::SessionCall& call, Reply reply);
  void AwaitPuback(SessionHandle session, uint16_t packet_id, int64_t wait_ms, Reply reply);

  ShardContext& c_;
  Delivery& delivery_;
  SessionView view_;
  SessionScan scan_;
};

}  // namespace homeport::gateway
