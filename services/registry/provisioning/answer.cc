#include "services/registry/provisioning/answer.h"

#include "libs/base/strings.h"
#include "libs/json/cbor.h"
#include "libs/json/print.h"

namespace homeport::registry {
namespace {

constexpr uint32_t kQos = 1;

std::string Encode(const json::Object& body, bool cbor) {
  std::string payload;
  if (cbor) {
    json::WriteCbor(json::Value(body), payload);
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

internal::v1::InboxItem AnswerItem(const ProvisionJob& job,
                                   const ProvisionRequests::Answer& answer) {
  internal::v1::InboxItem item;
  internal::v1::Deliver& deliver = *item.mutable_deliver();
  deliver.set_session(job.session);
  deliver.set_epoch(job.epoch);
  deliver.set_topic(AnswerTopic(job, answer.accepted));
  deliver.set_payload(Encode(answer.body, job.cbor));
  deliver.set_qos(kQos);
  return item;
}

}  // namespace homeport::registry
