#include "services/gateway/ownership/adopter.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"
#include "services/gateway/session/client_key.h"

namespace homeport::gateway {
namespace {

constexpr std::string_view kPage = "100";
constexpr std::string_view kLooked = "32";  // pods at a look: each is looked at by many others
constexpr std::string_view kLockMs = "30000";

}  // namespace

struct Adopter::Estate {
  std::string pod;
  std::vector<StreamPos> places;
  PodReceipts receipts;
  std::map<uint64_t, SessionHandle> sessions;  // adopted, by ClientKey
  size_t open = 0;                             // of the page
  bool failed = false;
};

void Adopter::Start() {
  c_.reactor.After(c_.config.pod_lease_ms / 2, [this] {
    Look();
    Start();
  });
}

void Adopter::Look() {
  if (busy_ || !redis_.connected()) return;
  for (const auto& [pod, since] : missing_since_) CheckAgain(pod);
  redis_.Send({"SRANDMEMBER", routing::kPodsKey, kLooked}, [this](const redis::Reply& reply) {
    for (size_t i = 0; i < reply.size(); ++i) {
      const std::string pod(reply[i].text());
      if (pod != c_.pod.str() && !missing_since_.contains(pod)) Check(pod);
    }
  });
}

// Another pod may have taken it over since.
void Adopter::CheckAgain(const std::string& pod) {
  redis_.Send({"SISMEMBER", routing::kPodsKey, pod}, [this, pod](const redis::Reply& reply) {
    if (!reply.is_integer()) return;
    if (reply.integer() != 0) return Check(pod);
    missing_since_.erase(pod);
  });
}

// Gone for half a lease beyond its lease: a pod that only lost its connection renews at once.
void Adopter::Check(const std::string& pod) {
  const std::string key = routing::PodKey(pod);
  redis_.Send({"EXISTS", key}, [this, pod](const redis::Reply& reply) {
    if (!reply.is_integer()) return;
    if (reply.integer() != 0) {
      missing_since_.erase(pod);
      return;
    }
    const int64_t now = c_.reactor.now().value;
    const int64_t since = missing_since_.try_emplace(pod, now).first->second;
    if (!busy_ && now - since >= c_.config.pod_lease_ms / 2 - 1) Lock(pod);
  });
}

void Adopter::Lock(const std::string& pod) {
  busy_ = true;
  const std::string key = routing::AdopterKey(pod);
  redis_.Send({"SET", key, c_.pod.str(), "NX", "PX", kLockMs},
              [this, pod](const redis::Reply& reply) {
                if (!reply.ok() || reply.is_nil()) {
                  busy_ = false;
                  return;
                }
                c_.store.ReadPlaces(pod, [this, pod](auto former) {
                  busy_ = former.ok();
                  if (!busy_) return;
                  auto estate = std::make_shared<Estate>();  // shared by the answers of Redis
                  estate->pod = pod;
                  estate->places = (*former)->places;
                  ReadReceipts(std::move(estate));
                });
              });
}

void Adopter::ReadReceipts(std::shared_ptr<Estate> estate) {
  c_.receipts.Read(estate->pod, [this, estate](const PodReceipts* receipts) {
    busy_ = receipts != nullptr;
    if (!busy_) return;
    estate->receipts = *receipts;
    ReadSessions(estate);
  });
}

// Each page may take the time of the whole lock: nobody else is to do the same work meanwhile.
void Adopter::RenewLock(const Estate& estate) {
  const std::string key = routing::AdopterKey(estate.pod);
  redis_.Send({"PEXPIRE", key, kLockMs}, [](const redis::Reply&) {});
}

void Adopter::ReadSessions(std::shared_ptr<Estate> estate) {
  RenewLock(*estate);
  const std::string key = routing::KeptOfPodKey(estate->pod);
  redis_.Send({"SRANDMEMBER", key, kPage}, [this, estate](const redis::Reply& reply) {
    if (!reply.ok()) {
      busy_ = false;
      return;
    }
    if (reply.size() == 0) return ReadWills(estate);
    estate->open = reply.size();
    for (size_t i = 0; i < reply.size(); ++i) AdoptSession(estate, std::string(reply[i].text()));
  });
}

void Adopter::AdoptSession(std::shared_ptr<Estate> estate, const std::string& name) {
  const std::optional<Listed> listed = ParseListName(name);
  if (!listed) return SessionDone(estate, name, true);
  Session* slot = keeper_.Reserve(c_.config.sessions_max);
  if (slot == nullptr) return SessionDone(estate, name, false);
  c_.store.Adopt(listed->identity, estate->pod, slot->handle(),
                 [this, estate, name, slot, epoch = listed->epoch, identity = listed->identity](
                     absl::StatusOr<SessionStore::Adopted> adopted) mutable {
                   if (!adopted.ok()) {
                     keeper_.Unreserve(*slot);
                     return SessionDone(estate, name, absl::IsNotFound(adopted.status()));
                   }
                   if (SessionKeeper::IsGivenUp(*slot, adopted->epoch)) {
                     keeper_.Unreserve(*slot);
                     return SessionDone(estate, name, true);
                   }
                   estate->sessions[ClientKey(identity.device, identity.client)] = slot->handle();
                   c_.probe.adopted_sessions.Increment();
                   const Doubt doubt =
                       MakeDoubt(estate->pod, identity, epoch, adopted->record.Field("in"));
                   const bool had_caught_up = adopted->record.Field("c").empty();
                   keeper_.Adopt(std::move(identity), *adopted,
                                 had_caught_up ? estate->places : std::vector<StreamPos>(),
                                 Settle(doubt, estate->receipts), *slot);
                   SessionDone(estate, name, true);
                 });
}

void Adopter::SessionDone(const std::shared_ptr<Estate>& estate, const std::string& name,
                          bool settled) {
  const std::string key = routing::KeptOfPodKey(estate->pod);
  if (settled) redis_.Send({"SREM", key, name}, [](const redis::Reply&) {});
  OneDone(estate, settled, &Adopter::ReadSessions);
}

void Adopter::OneDone(const std::shared_ptr<Estate>& estate, bool settled, ReadOn read_on) {
  estate->failed |= !settled;
  if (--estate->open > 0) return;
  if (!estate->failed) return (this->*read_on)(estate);
  busy_ = false;  // another look, once the lock has run out
}

void Adopter::ReadWills(std::shared_ptr<Estate> estate) {
  RenewLock(*estate);
  const std::string key = routing::WillsKey(estate->pod);
  redis_.Send({"HRANDFIELD", key, kPage, "WITHVALUES"}, [this, estate](const redis::Reply& reply) {
    if (!reply.ok()) {
      busy_ = false;
      return;
    }
    if (reply.size() == 0) return Finish(estate);
    estate->open = reply.size() / 2;
    for (size_t i = 0; i + 1 < reply.size(); i += 2) {
      AdoptWill(estate, std::string(reply[i].text()), std::string(reply[i + 1].text()));
    }
  });
}

// A will is the client's no more where it is back under a newer epoch.
void Adopter::AdoptWill(std::shared_ptr<Estate> estate, const std::string& name,
                        const std::string& bytes) {
  const std::optional<Listed> listed = ParseListName(name);
  auto kept = std::make_shared<internal::v1::KeptWill>();  // until Redis has answered
  if (!listed || !kept->ParseFromString(bytes)) return WillDone(estate, name, true);
  const std::string record = routing::SessionKey(listed->identity.device);
  redis_.Send({"HGETALL", record}, [this, estate, kept, name,
                                    identity = listed->identity](const redis::Reply& reply) {
    if (!reply.ok()) return WillDone(estate, name, false);  // nobody knows whether it is back
    const auto records = ReadSessionRecords(reply);
    const std::string suffix = routing::ClientSuffix(identity.device, identity.client);
    const bool is_back = std::any_of(records.begin(), records.end(), [&](const auto& there) {
      return there.suffix == suffix && there.location.epoch > kept->epoch();
    });
    if (!is_back) {
      auto will = std::make_unique<StoredWill>();
      will->message = kept->message();
      will->delay_s = kept->delay_s();
      c_.probe.adopted_wills.Increment();
      const auto waiting = estate->sessions.find(ClientKey(identity.device, identity.client));
      if (will->delay_s > 0 && waiting != estate->sessions.end()) {
        keeper_.AdoptWill(waiting->second, std::move(will), kept->due_ms());
      } else {
        return publish_.PublishWill(identity, *will,
                                    [this, estate, name] { WillDone(estate, name, true); });
      }
    }
    WillDone(estate, name, true);
  });
}

void Adopter::WillDone(const std::shared_ptr<Estate>& estate, const std::string& name,
                       bool settled) {
  const std::string key = routing::WillsKey(estate->pod);
  if (settled) redis_.Send({"HDEL", key, name}, [](const redis::Reply&) {});
  OneDone(estate, settled, &Adopter::ReadWills);
}

void Adopter::Finish(const std::shared_ptr<Estate>& estate) {
  busy_ = false;
  missing_since_.erase(estate->pod);
  log::Info("pod_adopted", {{"pod", estate->pod}, {"sessions", estate->sessions.size()}});
  redis_.Send({"SREM", routing::kPodsKey, estate->pod}, [](const redis::Reply&) {});
  const std::string key = routing::AdopterKey(estate->pod);
  redis_.Send({"DEL", key}, [](const redis::Reply&) {});
}

}  // namespace homeport::gateway
