#include "services/registry/ended_sessions.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/routing/keys.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kOwners{"ended_session_owners",
                            "SELECT id, tenant, product FROM device WHERE id = ANY ($1::text[])"};
constexpr size_t kItemsOfBatch = 500;

struct Owner {
  std::string tenant;
  std::string product;
};

bool ReadNumber(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

absl::StatusOr<bool> Exists(redis_blocking::Client& redis, std::string_view key) {
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, redis.Call({"EXISTS", key}));
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
  return reply.integer() != 0;
}

// Empty where none lives.
absl::StatusOr<std::string> FindGateway(redis_blocking::Client& redis) {
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply pods,
                      redis.Call({"SMEMBERS", routing::kPodsKey}));
  HP_RETURN_IF_ERROR(redis_blocking::ToStatus(pods));
  for (size_t i = 0; i < pods.size(); ++i) {
    HP_ASSIGN_OR_RETURN(const bool lives, Exists(redis, routing::PodKey(pods[i].text())));
    if (lives) return std::string(pods[i].text());
  }
  return std::string();
}

absl::StatusOr<std::map<std::string, Owner>> FindOwners(postgres::Connection& postgres,
                                                        const std::vector<EndedSession>& ended) {
  Array devices = Array::OfText();
  for (const EndedSession& session : ended) devices.Add(session.device);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      postgres.Execute(kOwners, Params().Add(std::move(devices))));
  std::map<std::string, Owner> owners;
  for (size_t i = 0; i < rows.size(); ++i) {
    owners[std::string(rows.Text(i, 0))] = {std::string(rows.Text(i, 1)),
                                            std::string(rows.Text(i, 2))};
  }
  return owners;
}

absl::Status Append(redis_blocking::Client& redis, const std::string& pod,
                    const internal::v1::InboxBatch& batch) {
  HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply,
                      redis.Call({"XADD", routing::InboxKey(pod), "NOMKSTREAM", "MAXLEN", "~",
                                  "100000", "*", routing::kBatchField, batch.SerializeAsString()}));
  return redis_blocking::ToStatus(reply);
}

}  // namespace

void AppendEnded(std::string_view device, std::string_view field, std::string_view epoch,
                 std::vector<EndedSession>& ended) {
  const size_t pod_end = field.find(' ');
  if (pod_end == std::string_view::npos) return;
  const size_t place_end = std::min(field.find(' ', pod_end + 1), field.size());
  EndedSession session;
  session.device = std::string(device);
  session.client = std::string(place_end == field.size() ? device : field.substr(place_end + 1));
  session.pod = std::string(field.substr(0, pod_end));
  if (!ReadNumber(field.substr(pod_end + 1, place_end - pod_end - 1), session.session) ||
      !ReadNumber(epoch, session.epoch)) {
    return;
  }
  ended.push_back(std::move(session));
}

absl::Status TellOfEnded(redis_blocking::Client& redis, postgres::Connection& postgres,
                         const std::vector<EndedSession>& ended) {
  if (ended.empty()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const bool is_followed, Exists(redis, routing::kEventsKey));
  if (!is_followed) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const std::string gateway, FindGateway(redis));
  if (gateway.empty()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(const auto owners, FindOwners(postgres, ended));
  internal::v1::InboxBatch batch;
  batch.set_version(1);
  for (const EndedSession& session : ended) {
    const auto owner = owners.find(session.device);
    if (owner == owners.end()) continue;
    internal::v1::SessionEnded& item = *batch.add_items()->mutable_ended();
    item.set_tenant(owner->second.tenant);
    item.set_principal(fmt::format("{}/{}", owner->second.product, session.device));
    item.set_client(session.client);
    item.set_pod(session.pod);
    item.set_session(session.session);
    item.set_epoch(session.epoch);
    if (static_cast<size_t>(batch.items_size()) < kItemsOfBatch) continue;
    HP_RETURN_IF_ERROR(Append(redis, gateway, batch));
    batch.clear_items();
  }
  return batch.items_size() == 0 ? absl::OkStatus() : Append(redis, gateway, batch);
}

}  // namespace homeport::registry
