#include "services/registry/operations/runner.h"

#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"

namespace homeport::registry {
namespace {

// What comes of the server, not of the request.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

}  // namespace

OperationRunner::OperationRunner(Options options, ServiceProbe& probe, CatalogProbe& catalog)
    : options_(std::move(options)), probe_(probe), catalog_(catalog) {}

OperationRunner::~OperationRunner() { Stop(); }

void OperationRunner::Start() {
  thread_ = std::thread([this] { Run(); });
}

void OperationRunner::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void OperationRunner::Run() {
  int64_t wait_ms = 0;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::StatusOr<bool> more = Step();
    if (more.ok()) {
      backoff_.Reset();
      wait_ms = *more ? 0 : options_.poll_ms;
    } else {
      probe_.PostgresFailed();
      log::Warn("operation_retries", {{"error", more.status()}});
      wait_ms = backoff_.NextMs();
    }
  }
}

absl::StatusOr<bool> OperationRunner::Step() {
  if (postgres_ == nullptr || postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  }
  HP_ASSIGN_OR_RETURN(std::optional<OperationRow> operation, ClaimOperation(*postgres_, hold()));
  if (!operation.has_value()) return false;
  const absl::Status status = WorkOff(*operation);
  if (status.ok() || ReasonOf(status) == "FENCED") return true;
  if (IsPassing(status)) return status;
  HP_RETURN_IF_ERROR(Fail(*operation, status));
  return true;
}

absl::Status OperationRunner::Fail(const OperationRow& operation, const absl::Status& why) {
  if (postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  }
  if (absl::IsResourceExhausted(why)) {
    probe_.ExportTooLarge();
    log::Refusal("export_refused",
                 {{"operation", operation.id}, {"limit", "export-devices-max"}, {"error", why}});
    return EndOperation(*postgres_, options_.pod, operation, why);
  }
  log::Error("operation_failed", {{"operation", operation.id}, {"error", why}});
  return EndOperation(*postgres_, options_.pod, operation,
                      ErrorWithReason(absl::StatusCode::kInternal, "INTERNAL",
                                      "the registry could not do a part of it"));
}

absl::StatusOr<std::unique_ptr<OperationWork>> OperationRunner::WorkOf(
    const OperationRow& operation) {
  return operation.kind == OperationKind::kExport
             ? MakeExportWork(operation, options_.limits, catalog_)
             : MakeImportWork(operation, options_.limits, catalog_);
}

absl::Status OperationRunner::WorkOff(OperationRow& operation) {
  HP_ASSIGN_OR_RETURN(const std::unique_ptr<OperationWork> work, WorkOf(operation));
  operation.request.clear();
  const int64_t turn_ends_us = MonotonicMicros() + options_.turn_ms * 1000;
  while (!operation.done) {
    if (operation.cancelled) {
      return EndOperation(*postgres_, options_.pod, operation,
                          ErrorWithReason(absl::StatusCode::kCancelled, "CANCELLED", "cancelled"));
    }
    HP_RETURN_IF_ERROR(work->RunChunk(*postgres_, hold(), operation));
    if (stop_.stopped() || MonotonicMicros() >= turn_ends_us) {
      return ReleaseOperation(*postgres_, options_.pod, operation);
    }
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
