#include "services/registry/provisioning/provisioner.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "services/registry/core/cbor.h"
#include "services/registry/store/certificate_table.h"

namespace homeport::registry {
namespace {

constexpr int64_t kWaitMs = 200;
constexpr int64_t kDropMs = 60'000;
constexpr uint32_t kQos = 1;

std::string Encode(json::Object body, bool cbor) {
  std::string payload;
  if (cbor) {
    WriteCbor(json::Value(std::move(body)), payload);
  } else {
    json::Print(body, payload);
  }
  return payload;
}

}  // namespace

std::string AnswerTopic(const ProvisionJob& job, bool accepted) {
  const bool is_certificate = job.detail.find('/') == std::string::npos;
  return fmt::format("$aws/{}/{}/{}/{}", is_certificate ? "certificates" : "provisioning-templates",
                     job.detail, job.cbor ? "cbor" : "json", accepted ? "accepted" : "rejected");
}

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
  internal::v1::InboxItem item;
  internal::v1::Deliver& deliver = *item.mutable_deliver();
  deliver.set_session(job.session);
  deliver.set_epoch(job.epoch);
  deliver.set_topic(AnswerTopic(job, answer.accepted));
  deliver.set_payload(Encode(answer.body, job.cbor));
  deliver.set_qos(kQos);
  const absl::Status sent = parts_.appender.AppendInbox(job.pod, item);
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
