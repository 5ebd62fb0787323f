#include "services/registry/provisioning/requests.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "libs/auth/certificate_maker.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/cbor.h"
#include "libs/json/parse.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/core/provisioning_template.h"
#include "services/registry/store/certificate_table.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/secrets.h"
#include "services/registry/store/template_table.h"

namespace homeport::registry {
namespace {

using Answer = ProvisionRequests::Answer;
using State = CertificateRow::State;

constexpr json::ParseLimits kLimits{
    .depth_max = 8, .bytes_max = ProvisionRequests::kBodyBytesMax, .nodes_max = 1000};
constexpr std::string_view kAnonymousTenant = "default";
constexpr std::string_view kCertificateIdParameter = "AWS::IoT::Certificate::Id";

Answer Accepted(json::Object body) { return {true, std::move(body), "accepted"}; }

std::string TenantOf(const internal::v1::ProvisionRequest& request) {
  return request.tenant().empty() ? std::string(kAnonymousTenant) : request.tenant();
}

// Who asks, for the audit.
Actor ActorOf(const internal::v1::ProvisionRequest& request) {
  std::string subject = "anonymous";
  if (!request.template_().empty()) subject = fmt::format("claims/{}", request.certificate());
  if (!request.device().empty()) subject = fmt::format("devices/{}", request.device());
  return {TenantOf(request), std::move(subject)};
}

std::string Digest(std::string_view text) {
  const auth::Sha256Digest digest = auth::Sha256(text);
  return {digest.begin(), digest.end()};
}

// An empty payload stands for an empty body.
std::optional<json::Object> ReadBody(const internal::v1::ProvisionRequest& request, bool cbor) {
  if (request.payload().empty()) return json::Object();
  json::Value value;
  const bool read = cbor ? json::ReadCbor(request.payload(), kLimits, value)
                         : json::ParseInto(request.payload(), kLimits, value).ok();
  if (!read || !value.is_object()) return std::nullopt;
  return std::move(*value.IfObject());
}

Answer BadToken() {
  return ProvisionRequests::Rejected(400, "InvalidCertificateOwnershipToken",
                                     "the token is not one of ours, or its hour has passed");
}

std::optional<std::map<std::string, std::string>> ReadParameters(const json::Object& body) {
  std::map<std::string, std::string> parameters;
  if (!body.Has("parameters")) return parameters;
  const json::Object* given = body.FindObject("parameters");
  if (given == nullptr) return std::nullopt;
  for (const json::Member& member : *given) {
    const std::string* text = member.value.IfString();
    if (text == nullptr || !IsPlainText(*text) || !IsPlainText(member.key)) return std::nullopt;
    parameters[member.key] = *text;
  }
  return parameters;
}

// Whether the token is the certificate's, and the certificate still to be had for `thing`.
bool MayTake(const std::optional<CertificateRow>& row, const std::string& tenant,
             std::string_view token, const std::string& thing, WallMs now) {
  if (!row || row->tenant != tenant || !auth::VerifySecret(token, row->token_sha256)) return false;
  if (row->state == State::kPending) return row->pending_until_ms > now.value;
  return row->state == State::kActive && row->device == thing;  // asked again: the same answer
}

// The device, registered now if need be. A refusal where another tenant has one of that name.
absl::StatusOr<std::optional<Answer>> EnsureDevice(postgres::Connection& connection,
                                                   const Actor& actor, const TemplateRow& row,
                                                   const std::string& thing) {
  absl::StatusOr<DeviceRow> device = FindDevice(connection, DeviceId(thing));
  if (absl::IsNotFound(device.status())) {
    DeviceRow made;
    made.id = thing;
    made.tenant = row.tenant;
    made.product = row.product;
    device = RegisterDevice(connection, actor, made);
    if (absl::IsAlreadyExists(device.status())) device = FindDevice(connection, DeviceId(thing));
  }
  if (absl::IsResourceExhausted(device.status())) {
    return std::optional(ProvisionRequests::Rejected(429, "LimitExceeded", "the tenant's quota"));
  }
  if (absl::IsNotFound(device.status())) {
    return std::optional(
        ProvisionRequests::Rejected(404, "ResourceNotFound", "no product of the template"));
  }
  HP_RETURN_IF_ERROR(device.status());
  if (device->tenant == row.tenant && !device->blocked()) return std::optional<Answer>();
  return std::optional(
      ProvisionRequests::Rejected(409, "ResourceConflict", "the thing cannot be provisioned"));
}

// Of the device's certificates the newest two stay.
absl::Status Activate(postgres::Transaction& transaction, const Actor& actor,
                      const std::string& certificate, const std::string& thing) {
  HP_RETURN_IF_ERROR(LockCredentials(transaction, thing));
  HP_RETURN_IF_ERROR(ActivateCertificate(transaction, certificate, thing));
  HP_RETURN_IF_ERROR(Audit(transaction, actor, "ProvisionDevice",
                           fmt::format("devices/{}/credentials/{}", thing, certificate)));
  DirectoryChange change;  // gateways may remember it as pending
  change.set_kind(DirectoryChange::KIND_CERTIFICATE);
  change.set_name(certificate);
  HP_RETURN_IF_ERROR(NoteChange(transaction, change));
  HP_ASSIGN_OR_RETURN(const std::vector<std::string> active,
                      ActiveCertificates(transaction, thing));
  for (size_t i = kCredentialsMax; i < active.size(); ++i) {
    HP_RETURN_IF_ERROR(RevokeCertificate(transaction, actor, active[i]));
  }
  return absl::OkStatus();
}

}  // namespace

Answer ProvisionRequests::Rejected(int status, std::string_view code, std::string_view message) {
  Answer answer;
  answer.body.Set("statusCode", status);
  answer.body.Set("errorCode", code);
  answer.body.Set("errorMessage", message);
  answer.outcome = code;
  return answer;
}

absl::StatusOr<Answer> ProvisionRequests::Carry(postgres::Connection& connection,
                                                std::string_view detail, const Request& request,
                                                bool cbor, WallMs now) const {
  constexpr std::string_view kProvision = "/provision";
  if (request.payload().size() > kBodyBytesMax) {
    return Rejected(413, "PayloadTooLarge", "a request has at most 10 KiB");
  }
  const std::optional<json::Object> body = ReadBody(request, cbor);
  if (!body) return Rejected(400, "InvalidRequest", cbor ? "not a CBOR map" : "not a JSON object");
  if (detail == "create") return Create(connection, request, now);
  if (detail == "create-from-csr") return CreateFromCsr(connection, request, *body, now);
  if (detail.size() <= kProvision.size()) {
    return Rejected(400, "InvalidRequest", "not a topic of provisioning");
  }
  detail.remove_suffix(kProvision.size());
  return Provision(connection, detail, request, *body, now);
}

absl::StatusOr<Answer> ProvisionRequests::Create(postgres::Connection& connection,
                                                 const Request& request, WallMs now) const {
  HP_ASSIGN_OR_RETURN(const std::string key, auth::MakeKey());
  HP_ASSIGN_OR_RETURN(const std::string csr, auth::MakeCsr(key, "device"));
  HP_ASSIGN_OR_RETURN(Answer answer, Issue(connection, request, csr, now));
  if (answer.accepted) answer.body.Set("privateKey", key);
  return answer;
}

absl::StatusOr<Answer> ProvisionRequests::CreateFromCsr(postgres::Connection& connection,
                                                        const Request& request,
                                                        const json::Object& body,
                                                        WallMs now) const {
  const std::string* csr = body.FindString("certificateSigningRequest");
  if (csr == nullptr) {
    return Rejected(400, "InvalidRequest", "certificateSigningRequest is missing");
  }
  if (const absl::Status usable = auth::CheckCsr(*csr); !usable.ok()) {
    return Rejected(400, "InvalidCertificateSigningRequest", Message(usable));
  }
  return Issue(connection, request, *csr, now);
}

absl::StatusOr<Answer> ProvisionRequests::Issue(postgres::Connection& connection,
                                                const Request& request, const std::string& csr_pem,
                                                WallMs now) const {
  const std::string tenant = TenantOf(request);
  const absl::StatusOr<auth::Certificate> certificate =
      signer_.Sign(connection, tenant, csr_pem, now);
  if (ReasonOf(certificate.status()) == "NO_SIGNING_AUTHORITY") {
    return Rejected(500, "NoSigningAuthority", Message(certificate.status()));
  }
  HP_RETURN_IF_ERROR(certificate.status());
  CertificateRow row = RowOf(*certificate, tenant);
  const std::string token = fmt::format("{}.{}", row.id, MakeSecret());
  row.state = State::kPending;
  row.token_sha256 = Digest(token);
  row.pending_until_ms = now.value + kTokenMs;
  postgres::Transaction transaction(connection);
  HP_RETURN_IF_ERROR(InsertCertificate(transaction, row));
  HP_RETURN_IF_ERROR(
      Audit(transaction, ActorOf(request), "IssueCertificate", "certificates/" + row.id));
  HP_RETURN_IF_ERROR(transaction.Commit());
  json::Object body;
  body.Set("certificateId", row.id);
  body.Set("certificatePem", row.pem);
  body.Set("certificateOwnershipToken", token);
  return Accepted(std::move(body));
}

absl::StatusOr<Answer> ProvisionRequests::Provision(postgres::Connection& connection,
                                                    std::string_view template_name,
                                                    const Request& request,
                                                    const json::Object& body, WallMs now) const {
  const std::string tenant = TenantOf(request);
  if (!request.template_().empty() && request.template_() != template_name) {
    return Rejected(403, "AccessDenied", "the claim certificate is for another template");
  }
  const absl::StatusOr<TemplateRow> found = FindTemplate(connection, tenant, template_name);
  if (absl::IsNotFound(found.status()) || (found.ok() && found->disabled)) {
    return Rejected(404, "ResourceNotFound", "no such template");
  }
  HP_RETURN_IF_ERROR(found.status());
  const std::string* token = body.FindString("certificateOwnershipToken");
  auto parameters = ReadParameters(body);
  if (token == nullptr) return BadToken();
  if (!parameters) return Rejected(400, "InvalidParameters", "parameters must map text to text");
  const std::string id = token->substr(0, token->find('.'));
  (*parameters)[std::string(kCertificateIdParameter)] = id;
  HP_ASSIGN_OR_RETURN(const ProvisioningTemplate parsed, ProvisioningTemplate::Parse(found->body));
  const absl::StatusOr<Blueprint> blueprint = parsed.Evaluate(*parameters);
  if (!blueprint.ok()) return Rejected(400, "InvalidParameters", Message(blueprint.status()));
  const std::string& thing = blueprint->thing_name;
  if (!request.device().empty() && request.device() != thing) {
    return Rejected(403, "AccessDenied", "a device provisions itself only");
  }
  HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> certificate,
                      FindCertificate(connection, id));
  if (!MayTake(certificate, tenant, *token, thing, now)) return BadToken();
  const Actor actor = ActorOf(request);
  HP_ASSIGN_OR_RETURN(std::optional<Answer> refused,
                      EnsureDevice(connection, actor, *found, thing));
  if (refused) return *std::move(refused);
  postgres::Transaction transaction(connection);
  HP_ASSIGN_OR_RETURN(const std::optional<CertificateRow> locked, LockCertificate(transaction, id));
  if (!MayTake(locked, tenant, *token, thing, now)) return BadToken();
  if (locked->state == State::kPending) {
    HP_RETURN_IF_ERROR(Activate(transaction, actor, id, thing));
  }
  HP_RETURN_IF_ERROR(transaction.Commit());
  json::Object answer;
  answer.Set("deviceConfiguration", blueprint->device_configuration);
  answer.Set("thingName", thing);
  return Accepted(std::move(answer));
}

}  // namespace homeport::registry
