#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/flow/publish_flow.h"
#include "services/gateway/flow/subscribe_flow.h"
#include "services/gateway/ownership/session_store.h"
#include "services/gateway/pubsub/pub_sub.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// The cause of the end of a session whose pod drains.
inline constexpr std::string_view kShutdown = "SERVER_SHUTDOWN";

// Sessions that outlive their connection (MQTT 5 section 4.1), and wills. While its client is away
// a session waits in a slot of its own, without a socket, and what it is to get goes to its queue
// in Redis; where the client comes back, on whatever pod, the session goes on. What a pod that died
// has left is taken over by Adopter. Shard's thread only.
class SessionKeeper {
 public:
  SessionKeeper(ShardContext& context, PubSub& pub_sub, Delivery& delivery, PublishFlow& publish,
                SubscribeFlow& subscribe)
      : c_(context),
        pub_sub_(pub_sub),
        delivery_(delivery),
        publish_(publish),
        subscribe_(subscribe) {}

  // What a session came from: the record in Redis, and up to where its former pod had read the bus.
  struct Past {
    KeptRecord record;
    std::vector<StreamPos> places;
    bool former_is_told = false;  // on another pod, which answers when its connection has ended
    // The number of the last message that a connection of this shard has sent, where it had it.
    std::optional<uint64_t> last_sent{};
  };

  // CONNECT has been accepted; before CONNACK. True when the client finds its session.
  [[nodiscard]] bool Begin(Session& session, const SessionWish& wish, const Past* past);
  // What waited for the client of a session that has ended goes to other members of its groups.
  void LeaveQueue(const KeptRecord& record, uint64_t sent) { pub_sub_.LeaveToOthers(record, sent); }
  // The session goes on under another epoch.
  void Renew(Session& session, uint64_t epoch);
  // After this pod's lease had lapsed: forgets a will that another pod has published. `former`: the
  // epoch under which it is listed.
  void VerifyWill(const Session& session, uint64_t former);
  // Behind CONNACK: the session goes on. `on_resumed`: false when Redis did not answer.
  void Resume(Session& session, const Past& past, PubSub::OnRestored on_resumed);
  // A claim whose connection ended while Redis was asked: the session waits for the next one,
  // and is returned; nullptr where it is not to wait.
  Session* Orphan(const Identity& identity, SessionHandle handle, uint64_t epoch, uint32_t expiry_s,
                  const Past& past);
  // The connection has ended: publishes the will or keeps it, and keeps the session or ends it.
  void End(Session& session, const CloseCause& cause);
  // The client has taken its will back.
  void ForgetWill(Session& session);
  // A waiting session whose client is back elsewhere: with `resumed` its will is not published.
  // Also before this pod has heard that the session is its own.
  void GiveUp(SessionHandle handle, uint64_t epoch, bool resumed);
  // A session of a dead pod, to wait here. `also_received`: what that pod's receipts add to the QoS
  // 2 publishes that the record names.
  void Adopt(Identity identity, const SessionStore::Adopted& adopted,
             const std::vector<StreamPos>& places, std::span<const uint16_t> also_received,
             Session& slot);
  // Will of a dead pod's client that waits for its delay.
  // `due_ms`: Unix ms at which its delay ends; 0 where its connection ended with the pod.
  void AdoptWill(SessionHandle waiting, std::unique_ptr<StoredWill> will, int64_t due_ms);
  // A slot for a session that is to wait, which nobody finds until it does; nullptr when there is
  // none left. Slots never move.
  [[nodiscard]] Session* Reserve(uint32_t sessions_max);
  // Whether the session for which the slot was reserved is another's already.
  [[nodiscard]] static bool IsGivenUp(const Session& slot, uint64_t epoch) {
    return slot.taken_over && slot.epoch == epoch;
  }
  // Gives a slot back that was not needed.
  void Unreserve(Session& slot);

  // What a session has received of QoS 2 and not released, also one whose client is away.
  [[nodiscard]] std::vector<uint16_t> ReceivedOf(SessionHandle handle, uint64_t epoch) const;
  // After this pod's lease had lapsed: gives a waiting session up that another pod has taken over.
  void Verify(const Session& waiting);
  // Whether all that the bus has brought to this pod's sessions is in Redis before what is asked
  // for next.
  [[nodiscard]] bool is_level() const { return c_.store.is_prompt() && pub_sub_.is_level(); }
  // Once a second: writes up to where this pod has read the bus.
  void Tick();

 private:
  enum class Due : uint8_t { kEnd, kWill };

  void Adopt(Identity identity, const SessionStore::Adopted& adopted, const Past& past,
             Session& waiting);
  [[nodiscard]] static Missed MissedOf(const Past& past);
  void SaveUnknownEnd(const Session& waiting, const Past& past);
  void EndWill(Session& session, Session* heir);
  void SaveEnd(const Session& session);
  // From now on `heir` stands for the session, unless another has claimed it.
  void LeaveTo(const SessionStore::Owner& owner, SessionHandle heir, uint32_t expiry_s);
  Session* MakeHeir(Session& session);
  // Whether one more session of the device may wait here.
  [[nodiscard]] bool HasPlaceFor(const Session& session);
  void StartWaiting(Session& waiting, uint32_t expiry_s);
  void SetDue(Session& waiting, Due what, uint32_t in_s);
  void Arm();
  void RunDue();
  void ForgetDue(const Session& waiting);
  void Expire(Session& waiting);
  void LeaveQueue(const Session& waiting);
  void Free(Session& waiting);
  [[nodiscard]] std::shared_ptr<const ProductInfo> ProductOf(std::string_view tenancy);
  void PublishWill(Session& session);
  [[nodiscard]] static std::vector<std::pair<uint32_t, BusPlace>> HadOf(
      const KeptRecord& record, const std::vector<StreamPos>& places);

  ShardContext& c_;
  PubSub& pub_sub_;
  Delivery& delivery_;
  PublishFlow& publish_;
  SubscribeFlow& subscribe_;
  // By the reactor's ms, of sessions that wait: as many as Kept says.
  std::set<std::tuple<int64_t, uint64_t, Due>> due_;
  // Heirs of which Redis has not said yet that they are: by the packed handle that they had before.
  absl::flat_hash_map<uint64_t, SessionHandle> leaving_;
  absl::flat_hash_map<std::string, std::weak_ptr<const ProductInfo>> products_;  // by field `t`
  absl::flat_hash_map<uint64_t, uint32_t> waiting_of_;  // device (Hash64): its sessions that wait
  int64_t armed_ms_ = 0;                                // when the next timer runs; 0: none does
};

}  // namespace homeport::gateway
