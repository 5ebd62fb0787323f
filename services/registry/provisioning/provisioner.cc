#include "services/registry/provisioning/provisioner.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/registry/provisioning/answer.h"
#include "services/registry/store/certificate_table.h"

namespace homeport::registry {
namespace {

constexpr int64_t kWaitMs = 200;
constexpr int64_t kDropMs = 60'000;

}  // namespace

Provisioner::Provisioner(Options options, const Parts& parts)
    : options_(std::move(options)), parts_(parts), signer_(options_.signer), requests_(signer_) {}

Provisioner::~Provisioner() { Stop(); }

void Provisioner::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Provisioner::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void Provisioner::Run() {
  while (!stop_.stopped()) {
    if (const std::optional<ProvisionJob> job = parts_.queue.Pop(kWaitMs)) Carry(*job);
    DropPending();
  }
}

absl::Status Provisioner::EnsureDatabase() {
  if (postgres_ != nullptr && !postgres_->broken()) return absl::OkStatus();
  HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(options_.postgres));
  return absl::OkStatus();
}

void Provisioner::Carry(const ProvisionJob& job) {
  const ProvisionRequests::Answer answer = AnswerTo(job);
  parts_.probe.Provisioned(answer.outcome);
  if (!answer.accepted) {
    log::Refusal("provisioning_refused", {{"request", job.detail},
                                          {"certificate", job.request.certificate()},
                                          {"device", job.request.device()},
                                          {"reason", answer.outcome}});
  }
  parts_.queue.Done(job);
  Send(job, answer);
}

ProvisionRequests::Answer Provisioner::AnswerTo(const ProvisionJob& job) {
  absl::Status status = EnsureDatabase();
  if (status.ok()) {
    absl::StatusOr<ProvisionRequests::Answer> answer =
        requests_.Carry(*postgres_, job.detail, job.request, job.cbor, parts_.clock.Wall());
    if (answer.ok()) return *std::move(answer);
    status = answer.status();
  }
  log::Refusal("provisioning_failed", {{"request", job.detail}, {"error", status}});
  return ProvisionRequests::Rejected(500, "InternalFailure", "try again later");
}

void Provisioner::Send(const ProvisionJob& job, const ProvisionRequests::Answer& answer) {
  const absl::Status sent = parts_.appender.AppendInbox(job.pod, AnswerItem(job, answer));
  if (!sent.ok()) log::Refusal("provisioning_unanswered", {{"error", sent}});
}

void Provisioner::DropPending() {
  if (parts_.clock.Now() < drop_at_) return;
  drop_at_ = parts_.clock.Now() + kDropMs;
  absl::Status status = EnsureDatabase();
  if (status.ok()) status = DropPendingCertificates(*postgres_).status();
  if (!status.ok()) log::Warn("pending_certificates_kept", {{"error", status}});
}

}  // namespace homeport::registry
