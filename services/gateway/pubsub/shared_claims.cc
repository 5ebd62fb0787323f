#include "services/gateway/pubsub/shared_claims.h"

#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

constexpr std::string_view kLifeS = "60";
constexpr std::string_view kDone = "done";
constexpr std::string_view kOutlives = " k";
constexpr size_t kWaitingMax = 10'000;

// KEYS: the claim. ARGV: the name that it has, the new one, seconds to live.
constexpr std::string_view kTakeOverSource = R"lua(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
)lua";

const redis::Script& TakeOverScript() {
  static const redis::Script script(kTakeOverSource);
  return script;
}

std::string KeyOf(const SharedClaims::Claim& claim) {
  return routing::ShareKey(claim.from.partition, FormatPlace(claim.from.place),
                           Hash64(*claim.group));
}

bool IsUndone(std::string_view name) {
  return name.size() > kOutlives.size() && name.substr(name.size() - kOutlives.size()) == kOutlives;
}

}  // namespace

std::string SharedClaims::NameOf(const Claim& claim) const {
  return fmt::format("{} {}{}", c_.pod.str(), claim.number,
                     claim.outlives ? kOutlives : std::string_view());
}

void SharedClaims::Make(Claim claim) {
  claim.number = ++last_number_;
  Ask(std::move(claim));
}

// What the key says is the answer as well where it was set by a claim whose answer was lost.
void SharedClaims::Ask(Claim claim) {
  const std::string key = KeyOf(claim);
  const std::string name = NameOf(claim);
  redis_.Send({"SET", key, name, "NX", "EX", kLifeS, "GET"},
              [this, claim = std::move(claim)](const redis::Reply& reply) mutable {
                OnAnswer(std::move(claim), reply);
              });
}

// Without an answer nobody may be delivering it: asked again until there is one.
void SharedClaims::OnAnswer(Claim claim, const redis::Reply& reply) {
  if (!reply.ok()) return Later(unanswered_, std::move(claim));
  // The pod whose claim has run out lives, and has the message.
  if (reply.is_nil() && claim.was_doubtful) return Done(std::move(claim));
  if (reply.is_nil() || reply.text() == NameOf(claim)) return on_ours_(std::move(claim));
  // What comes live is its pod's to deliver; of what is read back that pod may have died.
  if (claim.from.replayed && IsUndone(reply.text())) {
    OnDoubt(std::move(claim), std::string(reply.text()));
  }
}

void SharedClaims::OnDoubt(Claim claim, std::string name) {
  const std::string key = routing::PodKey(std::string_view(name).substr(0, name.find(' ')));
  redis_.Send({"EXISTS", key}, [this, claim = std::move(claim),
                                name = std::move(name)](const redis::Reply& reply) mutable {
    const bool is_dead = reply.is_integer() && reply.integer() == 0;
    claim.was_doubtful = reply.is_integer() && !is_dead;
    is_dead ? TakeOver(std::move(claim), name) : Later(doubtful_, std::move(claim));
  });
}

void SharedClaims::TakeOver(Claim claim, const std::string& name) {
  std::vector<std::string> words = {"1", KeyOf(claim), name, NameOf(claim), std::string(kLifeS)};
  redis_.Eval(TakeOverScript(), std::move(words),
              [this, claim = std::move(claim)](const redis::Reply& reply) mutable {
                claim.from.again = true;
                const bool is_ours = reply.is_integer() && reply.integer() == 1;
                is_ours ? on_ours_(std::move(claim)) : Later(doubtful_, std::move(claim));
              });
}

void SharedClaims::Done(Claim claim) {
  if (!claim.outlives) return;
  const std::string key = KeyOf(claim);
  claim.is_done = true;
  redis_.Send({"SET", key, kDone, "XX", "KEEPTTL"},
              [this, claim = std::move(claim)](const redis::Reply& reply) mutable {
                if (!reply.ok()) Later(unanswered_, std::move(claim));
              });
}

void SharedClaims::IfStillOurs(Claim claim, OnOurs on_still) {
  const std::string key = KeyOf(claim);
  redis_.Send({"GET", key}, [this, claim = std::move(claim),
                             on_still = std::move(on_still)](const redis::Reply& reply) mutable {
    const bool is_known = reply.ok() && !reply.is_nil();
    if (!is_known || reply.text() == NameOf(claim)) on_still(std::move(claim));
  });
}

void SharedClaims::Later(Waiting& waiting, Claim claim) {
  if (waiting.claims.size() >= kWaitingMax) {
    c_.probe.Refuse("shared_claims_waiting");
    return log::Refusal(
        claim.is_done ? "shared_claim_not_marked" : "shared_message_dropped",
        {{"group", *claim.group},
         {"topic", claim.message->topic()},
         {"reason", "too many wait for Redis"},
         {"next", claim.is_done ? "delivered again if this pod dies now" : "nobody has it"}});
  }
  waiting.claims.push_back(std::move(claim));
  if (std::exchange(waiting.is_timed, true)) return;
  c_.reactor.After(waiting.pause_ms, [this, &waiting] { Again(waiting); });
}

void SharedClaims::Again(Waiting& waiting) {
  if (!redis_.connected()) {
    c_.reactor.After(waiting.pause_ms, [this, &waiting] { Again(waiting); });
    return;
  }
  waiting.is_timed = false;
  for (Claim& claim : std::exchange(waiting.claims, {})) {
    claim.is_done ? Done(std::move(claim)) : Ask(std::move(claim));
  }
}

}  // namespace homeport::gateway
