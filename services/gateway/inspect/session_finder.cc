#include "services/gateway/inspect/session_finder.h"

#include <algorithm>
#include <memory>

#include "libs/base/reason.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {
namespace {

absl::Status Unavailable() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "REDIS_UNAVAILABLE",
                         "Redis does not answer; try again");
}

}  // namespace

absl::Status SessionFinder::Reachable() const {
  return redis_.connected() ? absl::OkStatus() : Unavailable();
}

void SessionFinder::Find(const std::string& device, const std::string& client, OnFound on_found) {
  const std::string key = routing::SessionKey(device);
  redis_.Send({"HGETALL", key}, [this, device, client, on_found = std::move(on_found)](
                                    const redis::Reply& reply) mutable {
    if (!reply.ok()) return on_found(Unavailable());
    const std::string suffix = routing::ClientSuffix(device, client);
    std::vector<SessionRecord> records = ReadSessionRecords(reply);
    const auto record =
        std::find_if(records.begin(), records.end(),
                     [&](const SessionRecord& other) { return other.suffix == suffix; });
    if (record == records.end()) return FindWaiting(device, client, std::move(on_found));
    CheckPod(std::move(record->location),
             [this, device, client, on_found = std::move(on_found)](auto found) mutable {
               // The record of a dead pod stays for a while, and another one may have adopted the
               // session meanwhile.
               const bool is_dead = found.ok() && !found->has_value();
               if (is_dead) return FindWaiting(device, client, std::move(on_found));
               on_found(std::move(found));
             });
  });
}

void SessionFinder::FindWaiting(const std::string& device, const std::string& client,
                                OnFound on_found) {
  const std::string key = routing::KeptKey(device, client);
  redis_.Send({"HGET", key, "h"},
              [this, on_found = std::move(on_found)](const redis::Reply& reply) mutable {
                if (!reply.ok()) return on_found(Unavailable());
                CheckPod(ParseLocation(reply.text()), std::move(on_found));
              });
}

void SessionFinder::CheckPod(std::optional<SessionLocation> location, OnFound on_found) {
  if (!location) return on_found(std::optional<SessionLocation>());
  const std::string key = routing::PodKey(location->pod);
  redis_.Send({"EXISTS", key}, [location = std::move(location),
                                on_found = std::move(on_found)](const redis::Reply& reply) mutable {
    if (!reply.ok()) return on_found(Unavailable());
    if (reply.integer() == 0) location.reset();
    on_found(std::move(location));
  });
}

void SessionFinder::FindClients(const std::string& device, OnClients on_clients) {
  const std::string key = routing::SessionKey(device);
  redis_.Send({"HGETALL", key},
              [device, on_clients = std::move(on_clients)](const redis::Reply& reply) mutable {
                if (!reply.ok()) return on_clients(Unavailable());
                std::vector<std::string> clients;
                for (const SessionRecord& record : ReadSessionRecords(reply)) {
                  clients.push_back(record.suffix.empty() ? device : record.suffix.substr(1));
                }
                on_clients(std::move(clients));
              });
}

void SessionFinder::FindPods(OnPods on_pods) {
  struct Join {
    std::vector<std::string> living;
    size_t open = 0;
    bool failed = false;
    OnPods on_pods;
  };
  auto join = std::make_shared<Join>();  // shared by the answers of Redis
  join->on_pods = std::move(on_pods);
  redis_.Send({"SMEMBERS", routing::kPodsKey}, [this, join](const redis::Reply& reply) {
    if (!reply.ok()) return join->on_pods(Unavailable());
    join->open = reply.size();
    if (join->open == 0) return join->on_pods(std::vector<std::string>());
    for (size_t i = 0; i < reply.size(); ++i) {
      const std::string pod(reply[i].text());
      const std::string key = routing::PodKey(pod);
      redis_.Send({"EXISTS", key}, [join, pod](const redis::Reply& lease) {
        join->failed |= !lease.ok();
        if (lease.ok() && lease.integer() != 0) join->living.push_back(pod);
        if (--join->open > 0) return;
        if (join->failed) return join->on_pods(Unavailable());
        std::sort(join->living.begin(), join->living.end());
        join->on_pods(std::move(join->living));
      });
    }
  });
}

}  // namespace homeport::gateway
