#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/net/paced_task.h"
#include "libs/redis/client.h"
#include "services/gateway/probe.h"
#include "services/gateway/session/session.h"

namespace homeport::gateway {

// Where a session is; as text "<pod> <session> <epoch>".
struct SessionLocation {
  std::string pod;
  uint64_t session = 0;
  uint64_t epoch = 0;
};

[[nodiscard]] std::optional<SessionLocation> ParseLocation(std::string_view text);

// One session of a device's record (libs/routing/keys.h).
struct SessionRecord {
  SessionLocation location;
  std::string suffix;  // routing::ClientSuffix: empty for the main session
};
// From the answer to HGETALL.
[[nodiscard]] std::vector<SessionRecord> ReadSessionRecords(const redis::Reply& reply);

// What Redis has of a session that outlives its connection (session_store.h).
struct KeptRecord {
  std::optional<SessionLocation> owner;  // until now
  // Empty where the session is new.
  std::vector<std::pair<std::string, std::string>> fields;
  // In order. With no fields: of a session that was ended, what other clients may have, and the
  // number of the last message that its own was sent.
  std::vector<std::pair<uint64_t, std::string>> queue;
  uint64_t sent = 0;

  [[nodiscard]] std::string_view Field(std::string_view name) const;
};

[[nodiscard]] KeptRecord ReadKeptRecord(const redis::Reply& fields, const redis::Reply& queue);

// What CONNECT asks for.
struct SessionWish {
  bool clean_start = true;
  uint32_t expiry_s = 0;  // how long the session is to outlive the connection
};

struct Claim {
  uint64_t epoch = 0;
  std::optional<SessionLocation> former;  // the session that has just lost its client id
  // There where the session outlives its connection, or one that did was ended by this claim.
  std::optional<KeptRecord> kept;
};

// Ownership of client ids: the record in Redis (libs/routing/keys.h), changed by atomic scripts,
// and by each session's removal of its own field. Each claim raises the device's epoch; the newer
// connection never waits for the older one. Shard's thread only.
class Ownership {
 public:
  using OnClaim = absl::AnyInvocable<void(absl::StatusOr<Claim>)>;
  using OnLocate = absl::AnyInvocable<void(absl::StatusOr<std::optional<SessionLocation>>)>;
  using OnVerify = absl::AnyInvocable<void(absl::StatusOr<Claim>)>;

  // Releases of `window_ms` go to Redis together, with or before the next claim.
  Ownership(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, PodId pod,
            int64_t window_ms)
      : reactor_(reactor),
        redis_(redis),
        probe_(probe),
        pod_(std::move(pod)),
        send_releases_(reactor, window_ms, [this] { SendReleases(); }),
        settle_(reactor, kSettleMs, [this] { SettleLost(); }) {}

  // Errors: PermissionDenied when the device is disabled; ResourceExhausted when it has too many
  // clients; Unavailable when Redis did not answer: the claim is then taken back, and `on_claim` is
  // called again, with what it did, if it did anything that others are to know.
  void Acquire(const Identity& identity, SessionHandle session, const SessionWish& wish,
               OnClaim on_claim);

  // Gives the claim up if it is still held. Kept and repeated while Redis is away or refuses it.
  void Release(const Identity& identity, SessionHandle session);

  // After this pod's lease had lapsed: keeps the claim if nobody has taken it since, under a new
  // epoch if the record was swept. Error Aborted: it is another's now.
  void Verify(const Identity& identity, SessionHandle session, uint64_t epoch, OnVerify on_verify);

  // The device's main session, else any of its sessions; nullopt when it has none, or its pod is
  // dead.
  void Locate(std::string device, OnLocate on_locate);

  // After the connection to Redis came up.
  void OnConnected() {
    SettleLost();
    SendReleases();
  }
  // Redis has answered all releases, and all claims.
  [[nodiscard]] bool idle() const {
    return releases_.empty() && releases_under_way_ == 0 && lost_.empty() && settling_ == 0;
  }

 private:
  struct PendingRelease {
    std::string key;
    std::string field;
    int tries = 0;  // that Redis refused
  };
  struct LostClaim {
    std::vector<std::string> words;  // of kSettleSource
    OnClaim on_claim;
    int tries = 0;  // that Redis refused
  };
  void SettleLater(LostClaim claim);
  void SettleLost();
  void ForgetNote(const LostClaim& claim);
  [[nodiscard]] PendingRelease ReleaseOf(const Identity& identity, SessionHandle session) const;
  void Add(PendingRelease release);
  void SendReleases();
  void OnReleased(PendingRelease release, const redis::Reply& reply);
  void CheckPod(SessionLocation location, OnLocate on_locate);

  net::Reactor& reactor_;
  redis::Client& redis_;
  ShardProbe& probe_;
  PodId pod_;
  std::vector<PendingRelease> releases_;  // to be sent
  size_t releases_under_way_ = 0;         // those that are to be repeated included
  std::vector<LostClaim> lost_;           // Redis may have carried them out
  size_t settling_ = 0;
  static constexpr int64_t kSettleMs = 100;
  net::PacedTask send_releases_;
  net::PacedTask settle_;
};

}  // namespace homeport::gateway
