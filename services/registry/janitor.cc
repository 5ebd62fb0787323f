#include "services/registry/janitor.h"

#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/routing/keys.h"
#include "services/registry/device_removal.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/store/purge_table.h"

namespace homeport::registry {
namespace {

constexpr int64_t kDevicesMax = 100;
constexpr int64_t kRowsMax = 5'000;
constexpr int64_t kExportsMax = 1;            // one may hold millions of devices
constexpr int64_t kSilentPodsMs = 3'600'000;  // between looks for them
constexpr char kActor[] = "system:janitor";

}  // namespace

Janitor::Janitor(Options options, StreamAppender& appender, ServiceProbe& probe,
                 CatalogProbe& catalog)
    : options_(std::move(options)), appender_(appender), probe_(probe), catalog_(catalog) {}

Janitor::~Janitor() { Stop(); }

void Janitor::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Janitor::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void Janitor::Run() {
  int64_t wait_ms = 0;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::StatusOr<bool> more = Step();
    if (more.ok()) {
      backoff_.Reset();
      wait_ms = *more ? 0 : options_.step_ms;
    } else {
      probe_.PostgresFailed();
      log::Warn("janitor_retries", {{"error", more.status()}});
      wait_ms = backoff_.NextMs();
    }
  }
}

absl::StatusOr<bool> Janitor::Step() {
  if (postgres_ == nullptr || postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
    silent_pods_at_ = SystemClock().Now() + kSilentPodsMs;
  }
  HP_ASSIGN_OR_RETURN(const size_t devices, PurgeDevices());
  HP_ASSIGN_OR_RETURN(const size_t answers,
                      PurgeAnswers(*postgres_, options_.request_answer_hours, kRowsMax));
  catalog_.AnswersPurged(answers);
  HP_ASSIGN_OR_RETURN(const size_t audit, PurgeAudit(*postgres_, options_.audit_days, kRowsMax));
  catalog_.AuditPurged(audit);
  HP_ASSIGN_OR_RETURN(const size_t operations,
                      PurgeOperations(*postgres_, options_.operation_days, kDevicesMax));
  HP_ASSIGN_OR_RETURN(const size_t exports,
                      PurgeExports(*postgres_, options_.operation_days, kExportsMax));
  catalog_.OperationsPurged(operations + exports);
  HP_ASSIGN_OR_RETURN(const size_t pods, PurgeSilentPods());
  return devices == kDevicesMax || pods == kRowsMax || answers == kRowsMax || audit == kRowsMax ||
         operations == kDevicesMax || exports == kExportsMax;
}

// One that fails does not keep the others.
absl::StatusOr<size_t> Janitor::PurgeDevices() {
  HP_ASSIGN_OR_RETURN(const std::vector<DeviceRow> due, FindPurgeable(*postgres_, kDevicesMax));
  size_t purged = 0;
  for (const DeviceRow& found : due) {
    if (stop_.stopped()) break;
    const absl::Status status = PurgeDevice(found);
    if (status.ok()) {
      ++purged;
      continue;
    }
    if (postgres_->broken()) return status;
    if (ReasonOf(status) != "REDIS_UNAVAILABLE") probe_.PostgresFailed();  // else it is counted
    log::Warn("device_not_purged",
              {{"device", found.id}, {"error", status}, {"next", "tried again"}});
  }
  return purged;
}

// Not as soon as PostgreSQL is there: behind a long outage the rows are old, and still needed.
absl::StatusOr<size_t> Janitor::PurgeSilentPods() {
  const MonoMs now = SystemClock().Now();
  if (now < silent_pods_at_) return size_t{0};
  HP_ASSIGN_OR_RETURN(const size_t purged, PurgeProducers(*postgres_, kRowsMax));
  if (purged < kRowsMax) silent_pods_at_ = now + kSilentPodsMs;
  return purged;
}

absl::Status Janitor::PurgeDevice(const DeviceRow& found) {
  HP_RETURN_IF_ERROR(PrepareRemoval(*postgres_, appender_, found));
  {
    postgres::Transaction transaction(*postgres_);
    HP_RETURN_IF_ERROR(
        RaiseGeneration(transaction, routing::PartitionOf(found.id, options_.partitions)));
    const absl::StatusOr<DeviceRow> row = LockDevice(transaction, TenantId(found.tenant),
                                                     DeviceId(found.id), /*version=*/found.version);
    // Purged or undeleted meanwhile.
    if (absl::IsNotFound(row.status()) || absl::IsAborted(row.status())) return absl::OkStatus();
    HP_RETURN_IF_ERROR(row.status());
    HP_RETURN_IF_ERROR(RemoveDevice(transaction, row->id));
    HP_RETURN_IF_ERROR(Audit(transaction, {row->tenant, kActor}, "PurgeDevice",
                             "devices/" + row->id, {.before = AuditText(*row), .after = {}}));
    HP_RETURN_IF_ERROR(transaction.Commit());
  }
  catalog_.DevicesPurged(1);
  if (const absl::Status status = appender_.SetBlocked(found.id, StreamAppender::Blocked::kNo);
      !status.ok()) {
    log::Warn("device_still_blocked",
              {{"device", found.id},
               {"error", status},
               {"next", "a new device of that id is refused until it is enabled"}});
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
