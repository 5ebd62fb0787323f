#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "libs/mqtt/packets.h"
#include "libs/net/paced_task.h"
#include "services/gateway/flow/publish_acks.h"
#include "services/gateway/identity/authenticator.h"
#include "services/gateway/inspect/lifecycle.h"
#include "services/gateway/ownership/session_keeper.h"
#include "services/gateway/session/client_pace.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// CONNECT, step by step: read → authenticate (authenticator.h) → claim the client id (Redis) →
// CONNACK. A client whose steps wait is not read; a refusal is a CONNACK with its code and the end
// of the connection. Shard's thread only.
class ConnectFlow {
 public:
  ConnectFlow(ShardContext& context, SessionKeeper& keeper, Lifecycle& lifecycle,
              PublishAcks& acks);

  FrameOutcome OnConnect(Session& session, const mqtt::Frame& frame);
  // The session closed before it was online.
  void Forget(const Session& session) {
    authenticator_.Forget(session);
    attempts_.erase(session.handle().packed());
  }
  // Ends a session of this shard whose client id was claimed elsewhere. `resumed`: the newer
  // connection did not ask for a clean start. `has_left`: it ended before it was online, and nobody
  // speaks for the device.
  struct Successor {
    bool resumed = false;
    bool has_left = false;
  };
  void TakeOver(SessionHandle handle, uint64_t epoch, Successor successor);
  // The same; `on_ended` is told what the session had received of QoS 2 and not released, once that
  // stands in its streams.
  using OnEnded = absl::AnyInvocable<void(std::span<const uint16_t> received)>;
  void TakeOver(SessionHandle handle, uint64_t epoch, Successor successor, OnEnded on_ended);
  void set_draining() { draining_ = true; }

 private:
  // What CONNECT said and later steps need.
  struct Attempt {
    uint16_t keep_alive_s = 0;
    SessionWish wish;
    uint32_t asked_expiry_s = 0;
    bool client_id_assigned = false;
  };

  void RefuseMalformed(Session& session, const mqtt::Frame& frame, const mqtt::DecodeError& error);
  void TakeProperties(Session& session, const mqtt::Connect& connect) const;
  // The client has said who it is: whether it is, is asked next.
  void Begin(Session& session, const mqtt::Connect& connect);
  void KeepWill(Session& session, const mqtt::Will& will) const;
  void OnVerdict(SessionHandle handle, const Verdict& verdict);
  // The client is who it says: its turn comes with that of others, and when not too many claims are
  // under way.
  void AwaitTurn(Session& session);
  void TakeTurns();
  void EndTurn();
  // The limits of the client and of its tenant; false when the client was refused.
  [[nodiscard]] bool Admit(Session& session);
  // Drops a will that the client's product does not allow.
  void CheckWill(Session& session);
  void AcquireClaim(Session& session);
  // `former`: which pod has the session that the client comes back to.
  void ClaimClient(SessionHandle handle, std::optional<SessionStore::Former> former);
  // What stays of a claim when the connection has ended meanwhile.
  struct Claimant {
    SessionHandle handle;
    Identity identity;
    SessionWish wish;
    std::optional<SessionStore::Former> former;
  };
  // The client hears that it is connected when Redis has its will, too: this pod may die at once.
  void StoreWill(const Claimant& claimant, const absl::StatusOr<Claim>& claim);
  void OnClaim(const Claimant& claimant, const absl::StatusOr<Claim>& claim);
  [[nodiscard]] static std::optional<Doubt> DoubtOf(const Claimant& claimant, const Claim& claim);
  void ForgetWillOf(const SessionLocation& former, const Identity& identity);
  // `answer_to`: the session that waits until the former connection has ended.
  void EndFormer(const SessionLocation& former, Successor successor,
                 std::optional<SessionHandle> answer_to);
  [[nodiscard]] std::optional<SessionKeeper::Past> PastOf(const Claimant& claimant,
                                                          const Claim& claim) const;
  void Accept(Session& session, const Claim& claim, const std::optional<SessionKeeper::Past>& past,
              const Attempt& attempt);
  void SendConnack(Session& session, const Attempt& attempt, bool session_present);
  void Refuse(Session& session, mqtt::ReasonCode reason, std::string_view why) {
    Refuse(session, reason, why, mqtt::Name(reason));
  }
  void Refuse(Session& session, mqtt::ReasonCode reason, std::string_view why,
              std::string_view counted_as);
  // The session, if it is still in `phase`.
  [[nodiscard]] Session* Waiting(SessionHandle handle, Phase phase);

  ShardContext& c_;
  SessionKeeper& keeper_;
  Lifecycle& lifecycle_;
  PublishAcks& acks_;
  Authenticator authenticator_;
  ClientPace pace_;
  uint32_t under_way_ = 0;                           // claims
  std::deque<SessionHandle> awaiting_;               // their turn; some may be gone
  absl::flat_hash_map<uint64_t, Attempt> attempts_;  // by packed session handle
  net::PacedTask take_turns_;
  bool draining_ = false;
};

}  // namespace homeport::gateway
