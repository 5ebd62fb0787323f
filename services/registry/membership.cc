#include "services/registry/membership.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/registry/core/rendezvous.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kBeat{"member_beat",
                          "INSERT INTO registry_member (pod, heartbeat_until) "
                          "VALUES ($1::text, now() + $2::int8 * interval '1 ms') "
                          "ON CONFLICT (pod) DO UPDATE "
                          "SET heartbeat_until = excluded.heartbeat_until"};
constexpr Statement kForget{"member_forget",
                            "DELETE FROM registry_member "
                            "WHERE heartbeat_until < now() - interval '1 hour'"};
constexpr Statement kAlive{"member_alive",
                           "SELECT pod FROM registry_member WHERE heartbeat_until > now()"};
constexpr Statement kLeave{"member_leave", "DELETE FROM registry_member WHERE pod = $1::text"};

}  // namespace

Membership::Membership(MembershipOptions options, ServiceProbe& probe)
    : options_(std::move(options)), probe_(probe) {}

Membership::~Membership() { Stop(); }

void Membership::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Membership::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void Membership::Run() {
  const int64_t interval_ms = std::min<int64_t>(1000, options_.lease_ms / 5);
  int64_t wait_ms = 0;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::Status status = Beat();
    if (status.ok()) {
      backoff_.Reset();
      wait_ms = interval_ms;
    } else {
      probe_.PostgresFailed();
      log::Warn("membership_retries", {{"error", status}});
      wait_ms = backoff_.NextMs();
    }
  }
  Leave();
}

absl::Status Membership::Beat() {
  if (postgres_ == nullptr || postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
    HP_RETURN_IF_ERROR(postgres_->Execute(kForget).status());
  }
  HP_RETURN_IF_ERROR(
      postgres_->Execute(kBeat, Params().Text(options_.pod).Int8(options_.lease_ms)).status());
  HP_ASSIGN_OR_RETURN(const Result rows, postgres_->Execute(kAlive));
  std::vector<std::string> members;
  for (size_t i = 0; i < rows.size(); ++i) members.emplace_back(rows.Text(i, 0));
  wanted_.Publish(PartitionsOf(options_.pod, members, options_.partitions));
  probe_.Members(members.size());
  return absl::OkStatus();
}

void Membership::Leave() {
  wanted_.Publish({});
  if (postgres_ == nullptr || postgres_->broken()) return;
  const absl::Status status = postgres_->Execute(kLeave, Params().Text(options_.pod)).status();
  if (!status.ok()) log::Warn("membership_not_left", {{"error", status}});
}

}  // namespace homeport::registry
