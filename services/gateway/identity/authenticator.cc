#include "services/gateway/identity/authenticator.h"

#include <openssl/rand.h>

#include <utility>

#include "libs/auth/certificate.h"
#include "libs/auth/credentials.h"
#include "libs/auth/device_token.h"
#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

using mqtt::ReasonCode;

constexpr size_t kInventoryBytesMax = 256;
constexpr uint64_t kClaimSlots = 4096;

Verdict NotAuthorized(std::string_view why) { return {ReasonCode::kNotAuthorized, why}; }
Verdict BadPassword(std::string_view why) { return {ReasonCode::kBadUserNameOrPassword, why}; }

Verdict Unanswered(const absl::Status& status, std::string_view unknown) {
  if (absl::IsNotFound(status)) return BadPassword(unknown);
  return {ReasonCode::kServerUnavailable, "registry_unavailable"};
}

// The refusal's word of a certificate, as a metric's label.
std::string_view CertificateWord(std::string_view refusal) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"unknown", "certificate_unknown"},
      {"revoked", "certificate_revoked"},
      {"pending", "certificate_pending"},
      {"expired", "certificate_expired"},
      {"authority_disabled", "certificate_authority_disabled"},
      {"names_no_device", "certificate_names_no_device"},
      {"device_unknown", "certificate_device_unknown"},
      {"device_of_another_tenant", "certificate_other_tenant"},
      {"quota_exceeded", "certificate_quota_exceeded"}};
  for (const auto& [word, label] : kWords) {
    if (word == refusal) return label;
  }
  return "certificate_refused";
}

// A device's certificate allows the client id that is the device's, and those that continue it.
bool MayCallItself(std::string_view client_id, std::string_view device) {
  if (client_id.empty() || client_id == device) return true;
  if (client_id.substr(0, device.size()) != device) return false;
  constexpr std::string_view kSeparators = "-_.:/";
  return kSeparators.find(client_id[device.size()]) != std::string_view::npos;
}

// Which nobody can have guessed and connected with before.
std::string AssignedClientId() {
  uint64_t random[2];
  HP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(random), sizeof random) == 1);
  return fmt::format("auto-{:016x}{:016x}", random[0], random[1]);
}

// No more than kInventoryBytesMax of UTF-8, and no part of a character.
std::string_view WholeCharacters(std::string_view text) {
  if (text.size() <= kInventoryBytesMax) return text;
  size_t size = kInventoryBytesMax;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

// Claims share a bounded number of names, each with a bounded number of clients: what Redis
// remembers of a name does not grow with the client ids that factories make up.
std::string ClaimName(std::string_view certificate, std::string_view client_id) {
  return fmt::format("{}{}:{}", auth::kClaimPrefix, certificate.substr(0, 16),
                     Hash64(client_id) % kClaimSlots);
}

}  // namespace

Verdict Authenticator::Identify(Session& session, const mqtt::Connect& connect) {
  if (connect.properties.authentication_method) {
    return {ReasonCode::kBadAuthenticationMethod, "authentication_method"};
  }
  if (connect.client_id.size() > c_.config.client_id_bytes_max ||
      (connect.client_id.empty() && connect.version == mqtt::Version::k311 &&
       (connect.is_31 || !connect.clean_start))) {
    return {ReasonCode::kClientIdentifierNotValid, "client_id"};  // [MQTT-3.1.3-8]
  }
  if (connect.client_id.substr(0, 1) == "$") {  // reserved (AWS IoT MQTT)
    return {ReasonCode::kClientIdentifierNotValid, "client_id_reserved"};
  }
  auto identity = std::make_unique<Identity>();
  const std::string_view user_name = connect.user_name.value_or("");
  const size_t mark = user_name.rfind('?');
  if (mark != std::string_view::npos && user_name.size() - mark > 1) {
    identity->inventory =
        std::make_shared<const std::string>(WholeCharacters(user_name.substr(mark + 1)));
  }
  Attempt attempt;
  attempt.client_id = connect.client_id;
  attempt.user_name = user_name.substr(0, mark);
  attempt.chain = c_.io.arrivals().TakePeerChain(session);
  if (c_.config.anonymous) {
    identity->client = connect.client_id.empty() ? AssignedClientId() : attempt.client_id;
    identity->device = identity->client;
  } else {
    const Verdict verdict = IdentifyByPassword(attempt, *identity, connect);
    if (!verdict.ok() && attempt.chain.empty()) return verdict;
  }
  session.identity = std::move(identity);
  attempts_[session.handle().packed()] = std::move(attempt);
  return {};
}

Verdict Authenticator::IdentifyByPassword(Attempt& attempt, Identity& identity,
                                          const mqtt::Connect& connect) const {
  if (!connect.password) return BadPassword("password_missing");
  if (const auto user = auth::ParseMqttUser(attempt.user_name)) {
    attempt.product = user->product;
    identity.device = user->device;
  } else if ((attempt.user_name.empty() || attempt.user_name == attempt.client_id) &&
             auth::IsDeviceName(attempt.client_id)) {
    identity.device = attempt.client_id;
  } else {
    return BadPassword("user_name");
  }
  attempt.password = *connect.password;
  identity.client = attempt.client_id.empty() ? identity.device : attempt.client_id;
  return {};
}

Authenticator::Attempt* Authenticator::Waiting(SessionHandle handle, Session** session) {
  *session = c_.io.sessions().Find(handle);
  if (*session == nullptr || (*session)->phase != Phase::kAuthenticating) return nullptr;
  const auto found = attempts_.find(handle.packed());
  return found == attempts_.end() ? nullptr : &found->second;
}

void Authenticator::Authenticate(const Session& session, OnVerdict on_verdict) {
  const SessionHandle handle = session.handle();
  Attempt& attempt = attempts_.at(handle.packed());
  attempt.on_verdict = std::move(on_verdict);
  if (c_.config.anonymous) return Finish(handle, {});
  if (!attempt.chain.empty()) return FindCertificate(handle);
  CheckPassword(handle);
}

void Authenticator::Finish(SessionHandle handle, Verdict verdict) {
  OnVerdict on_verdict = std::move(attempts_.at(handle.packed()).on_verdict);
  attempts_.erase(handle.packed());
  on_verdict(verdict);
}

void Authenticator::FindCertificate(SessionHandle handle) {
  const Attempt& attempt = attempts_.at(handle.packed());
  const std::string id = auth::CertificateIdOf(attempt.chain.front());
  if (const auto cached = c_.directory.CachedCertificate(id, attempt.chain)) {
    return OnCertificate(handle, *cached);
  }
  c_.directory.FetchCertificate(
      id, attempt.chain, [this, handle](absl::StatusOr<Directory::Certificate> fetched) {
        c_.reactor.Post(
            [this, handle, fetched = std::move(fetched)] { OnCertificate(handle, fetched); });
      });
}

void Authenticator::OnCertificate(SessionHandle handle,
                                  const absl::StatusOr<Directory::Certificate>& answer) {
  Session* session = nullptr;
  Attempt* attempt = Waiting(handle, &session);
  if (attempt == nullptr) return;
  const bool is_of_less = Directory::IsOfLess(answer, attempt->chain);
  if (is_of_less && !std::exchange(attempt->asked_again, true)) return FindCertificate(handle);
  if (is_of_less || (!answer.ok() && !absl::IsInvalidArgument(answer.status()))) {
    return Finish(handle, {ReasonCode::kServerUnavailable, "registry_unavailable"});
  }
  std::string_view refusal = answer.ok() ? std::string_view((*answer)->refusal()) : "unknown";
  if (refusal == Directory::kUnknownAlone) refusal = "unknown";
  // A certificate that is nothing to us proves nothing; a password still may.
  if (refusal == "unknown" && !attempt->password.empty()) return CheckPassword(handle);
  if (!refusal.empty()) return Finish(handle, NotAuthorized(CertificateWord(refusal)));
  const CertificateConfig& certificate = **answer;
  const int64_t now_ms = c_.reactor.wall().value;
  const int64_t skew_ms = int64_t{c_.config.clock_skew_s} * 1000;
  if (certificate.not_after_ms() < now_ms) {
    return Finish(handle, NotAuthorized("certificate_expired"));
  }
  if (certificate.not_before_ms() > now_ms + skew_ms) {
    return Finish(handle, NotAuthorized("certificate_not_yet_valid"));
  }
  Identity& identity = *session->identity;
  identity.certificate = *answer;
  if (!certificate.template_().empty()) return AcceptClaim(handle, *session, *attempt);
  if (!MayCallItself(attempt->client_id, certificate.device())) {
    return Finish(handle, {ReasonCode::kClientIdentifierNotValid, "client_id_not_of_certificate"});
  }
  identity.device = certificate.device();
  identity.client = attempt->client_id.empty() ? identity.device : attempt->client_id;
  attempt->proven = true;
  attempt->product.clear();
  FindDevice(handle);
}

void Authenticator::AcceptClaim(SessionHandle handle, Session& session, const Attempt& attempt) {
  Identity& identity = *session.identity;
  identity.client = attempt.client_id.empty() ? AssignedClientId() : attempt.client_id;
  identity.device = ClaimName(identity.certificate->id(), identity.client);
  identity.claim = true;
  Finish(handle, {});
}

void Authenticator::CheckPassword(SessionHandle handle) {
  const Attempt& attempt = attempts_.at(handle.packed());
  if (attempt.product.empty()) return FindDevice(handle);
  FindProduct(handle, std::string(attempt.product));
}

void Authenticator::FindProduct(SessionHandle handle, const std::string& product) {
  if (const auto cached = c_.directory.CachedProduct(product)) return OnProduct(handle, *cached);
  c_.directory.FetchProduct(product, [this, handle](absl::StatusOr<Directory::Product> fetched) {
    c_.reactor.Post([this, handle, fetched = std::move(fetched)] { OnProduct(handle, fetched); });
  });
}

void Authenticator::OnProduct(SessionHandle handle,
                              const absl::StatusOr<Directory::Product>& product) {
  Session* session = nullptr;
  Attempt* attempt = Waiting(handle, &session);
  if (attempt == nullptr) return;
  if (!product.ok()) return Finish(handle, Unanswered(product.status(), "product_unknown"));
  session->identity->product = *product;
  if (attempt->proven) return Finish(handle, {});
  const ProductInfo& info = **product;
  attempt->password_is_fleet_key =
      !info.fleet_key.empty() &&
      auth::VerifyFleetPassword(info.fleet_key, attempt->user_name, attempt->password);
  if (attempt->password_is_fleet_key && info.allow_unregistered) return Finish(handle, {});
  FindDevice(handle);
}

void Authenticator::FindDevice(SessionHandle handle) {
  Session* session = nullptr;
  if (Waiting(handle, &session) == nullptr) return;
  const std::string device = session->identity->device;
  if (const auto cached = c_.directory.CachedDevice(device)) return OnDevice(handle, *cached);
  c_.directory.FetchDevice(device, [this, handle](absl::StatusOr<Directory::Device> fetched) {
    c_.reactor.Post([this, handle, fetched = std::move(fetched)] { OnDevice(handle, fetched); });
  });
}

void Authenticator::OnDevice(SessionHandle handle,
                             const absl::StatusOr<Directory::Device>& answer) {
  Session* session = nullptr;
  Attempt* attempt = Waiting(handle, &session);
  if (attempt == nullptr) return;
  if (!answer.ok()) return Finish(handle, Unanswered(answer.status(), "device_unknown"));
  const DeviceConfig& device = **answer;
  if (!attempt->product.empty() && device.product() != attempt->product) {
    return Finish(handle, BadPassword("device_of_another_product"));
  }
  if (!attempt->proven && !attempt->password_is_fleet_key) {
    const Verdict verdict = CheckCredentials(device, *attempt, *session->identity);
    if (!verdict.ok()) return Finish(handle, verdict);
  }
  // Only who has proven to be the device learns that it is disabled.
  if (device.disabled()) return Finish(handle, {ReasonCode::kBanned, "device_disabled"});
  if (session->identity->product != nullptr) return Finish(handle, {});
  attempt->proven = true;
  FindProduct(handle, device.product());
}

Verdict Authenticator::CheckCredentials(const DeviceConfig& device, const Attempt& attempt,
                                        Identity& identity) const {
  const WallMs now = c_.reactor.wall();
  const bool token = auth::LooksLikeToken(attempt.password);
  const auth::DeviceTokenRules rules{c_.config.token_audience, int64_t{c_.config.clock_skew_s},
                                     int64_t{c_.config.token_life_s_max}};
  std::string_view why = token ? "token_signature" : "password_wrong";
  for (const internal::v1::DeviceCredential& credential : device.credentials()) {
    if (token != credential.has_public_key()) continue;
    std::string_view wrong;
    if (token) {
      const auto key = auth::PublicKey::FromDer(credential.public_key());
      wrong = key.ok()
                  ? auth::VerifyDeviceToken(attempt.password, device.device(), *key, rules, now)
                  : "token_algorithm";
    } else if (!auth::VerifySecret(attempt.password, credential.secret_sha256())) {
      continue;
    }
    if (wrong.empty() && credential.expires_ms() != 0 && credential.expires_ms() <= now.value) {
      wrong = "credential_expired";
    }
    if (wrong.empty()) {
      identity.credential = Hash64(credential.id());
      return {};
    }
    // Not being another key's signature says less than what is wrong beside it.
    if (wrong != "token_signature" && wrong != "token_algorithm") why = wrong;
  }
  return BadPassword(why);
}

}  // namespace homeport::gateway
