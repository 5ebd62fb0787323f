#include "services/gateway/identity/revocations.h"

#include <algorithm>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "services/gateway/flow/permissions.h"

namespace homeport::gateway {
namespace {

constexpr uint32_t kBatch = 2000;
constexpr int64_t kPauseMs = 1;

}  // namespace

void Revoked::Add(const DirectoryChange& change) {
  if (!change.revoked()) return;
  switch (change.kind()) {
    case DirectoryChange::KIND_DEVICE:
      if (change.credential().empty()) {
        devices.insert(change.name());
      } else {
        credentials.emplace(change.name(), Hash64(change.credential()));
      }
      return;
    case DirectoryChange::KIND_CERTIFICATE:
      certificates.insert(change.name());
      return;
    case DirectoryChange::KIND_AUTHORITY:
      authorities.insert(change.name());
      return;
    case DirectoryChange::KIND_PRODUCT:
      products.insert(change.name());
      return;
    default:
      return;
  }
}

bool Revoked::Covers(const Identity& identity) const {
  if (devices.contains(identity.device)) return true;
  if (!products.empty() && identity.product != nullptr &&
      products.contains(identity.product->product)) {
    return true;
  }
  if (identity.credential != 0 && !credentials.empty() &&
      credentials.contains(std::pair(identity.device, identity.credential))) {
    return true;
  }
  return identity.certificate != nullptr &&
         (certificates.contains(identity.certificate->id()) ||
          (!identity.certificate->authority().empty() &&
           authorities.contains(identity.certificate->authority())));
}

void Revocations::End(std::shared_ptr<const Revoked> revoked) {
  Walk(0, std::make_shared<const Visit>([this, revoked](Session& session) {
         if (!revoked->Covers(*session.identity)) return;
         c_.probe.Refuse("revoked");
         log::Refusal("session_revoked", {{"device", session.identity->device},
                                          {"client", session.identity->client},
                                          {"peer", c_.io.PeerOf(session)}});
         c_.io.Close(session, {"AUTH_ERROR", mqtt::ReasonCode::kNotAuthorized, "revoked"});
       }));
}

void Revocations::Replace(Directory::Product product) {
  Walk(0, std::make_shared<const Visit>([this, product](Session& session) {
         std::shared_ptr<const ProductInfo>& current = session.identity->product;
         if (current == nullptr || current->product != product->product) return;
         if (session.phase > Phase::kAuthenticating && current->usage != product->usage) {
           current->usage->Leave();
           static_cast<void>(product->usage->Enter(0));
         }
         current = product;
         if (FollowsWhatItMay(session)) return;
         c_.probe.Refuse("policy_changed");
         log::Refusal("session_revoked", {{"device", session.identity->device},
                                          {"reason", "its product's policy is another now"}});
         c_.io.Close(session, {"FORBIDDEN_ACCESS", mqtt::ReasonCode::kNotAuthorized,
                               "a subscription is no longer allowed"});
       }));
}

bool Revocations::FollowsWhatItMay(const Session& session) const {
  if (!session.cold || !session.cold->subscriber) return true;
  const auto& filters = session.cold->subscriber->filters;
  return std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
    return MayFollow(c_.config, *session.identity, filter->filter);
  });
}

// Those that come meanwhile have seen the change already.
void Revocations::Walk(uint32_t index, std::shared_ptr<const Visit> visit) {
  const uint32_t end = std::min(index + kBatch, c_.io.sessions().slots());
  for (; index < end; ++index) {
    Session& session = c_.io.sessions().At(index);
    if (session.phase < Phase::kAuthenticating || session.phase > Phase::kOnline) continue;
    if (session.identity != nullptr) (*visit)(session);
  }
  if (index >= c_.io.sessions().slots()) return;
  c_.reactor.After(kPauseMs, [this, index, visit] { Walk(index, visit); });
}

}  // namespace homeport::gateway
