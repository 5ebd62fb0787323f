#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "libs/redis/client.h"
#include "services/gateway/flow/delivery.h"
#include "services/gateway/shard_context.h"

namespace homeport::gateway {

// Which shard delivers a message of a shared subscription (MQTT 5 section 4.8.2). Every shard with
// a member asks; the key hp:{t:NN}:share:… in Redis, which lives for a minute, has the name of the
// first:
//   "<pod> <number>"    of a claim for sessions that end with their connection
//   "<pod> <number> k"  of one for a session that outlives its pod, until its queue has the message
//   "done"              from then on
// A claim of the second form whose pod is dead is taken over by whoever comes to ask. Shard's
// thread only.
class SharedClaims {
 public:
  struct Claim {
    std::shared_ptr<const std::string> group;  // SharedGroup::id
    Delivery::Origin from;
    SharedMessage message;
    bool outlives = false;  // the pod: some member's session does
    uint64_t number = 0;    // by which an answer that was lost is known to have been its own
    bool is_done = false;
    bool was_doubtful = false;  // another pod's, which lived
  };
  using OnOurs = absl::AnyInvocable<void(Claim)>;

  // `on_ours` is told of each claim that was made by this shard first. `from.again` says that the
  // pod that had claimed it died before it was done.
  SharedClaims(ShardContext& context, redis::Client& redis, OnOurs on_ours)
      : c_(context), redis_(redis), on_ours_(std::move(on_ours)) {}

  void Make(Claim claim);
  // A member has the message, or its queue in Redis.
  void Done(Claim claim);
  // Calls back unless another pod has taken the claim over, as it does where this one was taken for
  // dead.
  void IfStillOurs(Claim claim, OnOurs on_still);

 private:
  // Claims that are made, or marked as done, again after a while.
  struct Waiting {
    int64_t pause_ms = 0;
    std::deque<Claim> claims{};
    bool is_timed = false;
  };
  void Ask(Claim claim);
  void OnAnswer(Claim claim, const redis::Reply& reply);
  // Another pod has claimed it under that name and is not done.
  void OnDoubt(Claim claim, std::string name);
  void TakeOver(Claim claim, const std::string& name);
  void Later(Waiting& waiting, Claim claim);
  void Again(Waiting& waiting);
  [[nodiscard]] std::string NameOf(const Claim& claim) const;

  ShardContext& c_;
  redis::Client& redis_;
  OnOurs on_ours_;
  Waiting unanswered_{100};  // of which Redis did not say whose they are, or that they are done
  Waiting doubtful_{1000};   // another pod's, which has not done them yet
  uint64_t last_number_ = 0;
};

}  // namespace homeport::gateway
