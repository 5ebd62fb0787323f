#include "libs/auth/certificate.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "libs/auth/credentials.h"
#include "libs/auth/openssl_types.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

constexpr size_t kCrlBytesMax = size_t{4} << 20;

using Store = std::unique_ptr<X509_STORE, Release<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>>;

void FreeNames(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
void FreeCertificates(STACK_OF(X509) * list) { sk_X509_free(list); }
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Release<FreeNames>>;
using CertificateList = std::unique_ptr<STACK_OF(X509), Release<FreeCertificates>>;

std::string TextOfString(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, string);
  if (size < 0) return {};
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

std::string HexOf(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

std::string HexOfNumber(const ASN1_INTEGER* number) {
  const Number value(ASN1_INTEGER_to_BN(number, nullptr));
  if (value == nullptr) return {};
  std::string bytes(static_cast<size_t>(BN_num_bytes(value.get())), '\0');
  BN_bn2bin(value.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return HexOf(bytes);
}

int64_t SecondsOf(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? int64_t{timegm(&parts)} : 0;
}

std::string Sha256OfName(const X509_NAME* name) {
  const Sha256Digest digest = Sha256(DerOf<i2d_X509_NAME>(name));
  return {digest.begin(), digest.end()};
}

std::string_view LastPart(std::string_view uri) {
  return uri.substr(uri.find_last_of("/:") + 1);  // npos + 1 is 0
}

absl::Status Refused(std::string_view why) {
  return absl::PermissionDeniedError(fmt::format("certificate: {}", why));
}

}  // namespace

absl::StatusOr<Certificate> Certificate::FromDer(std::string_view der) {
  const ErrorQueueGuard guard;
  const unsigned char* at = UnsignedBytes(der);
  X509* parsed = der.size() > kCertificateBytesMax
                     ? nullptr
                     : d2i_X509(nullptr, &at, static_cast<long>(der.size()));
  if (parsed == nullptr) return absl::InvalidArgumentError("not an X.509 certificate");
  Certificate certificate(parsed);
  if (at != UnsignedBytes(der) + der.size()) {
    return absl::InvalidArgumentError("bytes behind an X.509 certificate");
  }
  return certificate;
}

absl::StatusOr<Certificate> Certificate::FromPem(std::string_view pem) {
  const ErrorQueueGuard guard;
  X509* parsed = pem.size() > 2 * kCertificateBytesMax
                     ? nullptr
                     : PEM_read_bio_X509(ReaderOf(pem).get(), nullptr, NoPassphrase, nullptr);
  if (parsed == nullptr) return absl::InvalidArgumentError("not an X.509 certificate in PEM");
  return Certificate(parsed);
}

std::string Certificate::ToPem() const {
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(out.get(), certificate_.get());
  return TextOf(out.get());
}

std::string CertificateIdOf(std::string_view der) {
  const Sha256Digest digest = Sha256(der);
  return HexOf({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string Certificate::Id() const { return CertificateIdOf(DerOf<i2d_X509>(get())); }

std::string Certificate::Serial() const { return HexOfNumber(X509_get0_serialNumber(get())); }

std::string Certificate::SubjectSha256() const {
  return Sha256OfName(X509_get_subject_name(get()));
}

std::string Certificate::IssuerSha256() const { return Sha256OfName(X509_get_issuer_name(get())); }

int64_t Certificate::not_before_s() const { return SecondsOf(X509_get0_notBefore(get())); }
int64_t Certificate::not_after_s() const { return SecondsOf(X509_get0_notAfter(get())); }

bool Certificate::is_authority() const {
  const ErrorQueueGuard guard;
  return X509_check_ca(get()) == 1;
}

std::vector<std::string> Certificate::Names() const {
  const ErrorQueueGuard guard;
  std::vector<std::string> found;
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) found.push_back(TextOfString(name->d.dNSName));
    if (name->type == GEN_URI) {
      found.emplace_back(LastPart(TextOfString(name->d.uniformResourceIdentifier)));
    }
  }
  const auto subject = Subject();
  if (const auto common = subject.find("CommonName"); common != subject.end()) {
    found.push_back(common->second);
  }
  return found;
}

std::map<std::string, std::string> Certificate::Subject() const {
  constexpr std::pair<int, const char*> kFields[] = {
      {NID_countryName, "Country"},
      {NID_organizationName, "Organization"},
      {NID_organizationalUnitName, "OrganizationalUnit"},
      {NID_dnQualifier, "DistinguishedNameQualifier"},
      {NID_stateOrProvinceName, "StateName"},
      {NID_commonName, "CommonName"},
      {NID_serialNumber, "SerialNumber"}};
  std::map<std::string, std::string> subject;
  const X509_NAME* name = X509_get_subject_name(get());
  for (const auto& [id, word] : kFields) {
    const int at = X509_NAME_get_index_by_NID(name, id, -1);
    if (at >= 0) {
      subject[word] = TextOfString(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    }
  }
  return subject;
}

absl::StatusOr<std::vector<Certificate>> Certificate::VerifyBy(
    const Certificate& authority, const std::vector<Certificate>& chain, WallMs now) const {
  const ErrorQueueGuard guard;
  const Store store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), authority.get());
  const CertificateList untrusted(sk_X509_new_null());
  for (const Certificate& link : chain) sk_X509_push(untrusted.get(), link.get());
  const StoreContext context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store.get(), get(), untrusted.get()) != 1) {
    return absl::InternalError("no memory for a certificate's verification");
  }
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_time(rules, static_cast<time_t>(now.value / 1000));
  X509_VERIFY_PARAM_set_depth(rules, 4);
  if (X509_verify_cert(context.get()) != 1) {
    return Refused(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
  }
  // The last is the authority; where it is the only one, it was asked about itself.
  const STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(context.get());
  std::vector<Certificate> path;
  for (int i = 0; i < std::max(sk_X509_num(verified) - 1, 1); ++i) {
    X509* const link = sk_X509_value(verified, i);
    X509_up_ref(link);
    path.push_back(Certificate(link));
  }
  return path;
}

absl::StatusOr<std::vector<std::string>> ReadCrl(std::string_view text,
                                                 const Certificate& authority) {
  const ErrorQueueGuard guard;
  if (text.size() > kCrlBytesMax) return absl::InvalidArgumentError("the CRL exceeds 4 MiB");
  X509CrlPtr crl(PEM_read_bio_X509_CRL(ReaderOf(text).get(), nullptr, NoPassphrase, nullptr));
  if (crl == nullptr) {
    const unsigned char* at = UnsignedBytes(text);
    crl.reset(d2i_X509_CRL(nullptr, &at, static_cast<long>(text.size())));
  }
  if (crl == nullptr) return absl::InvalidArgumentError("not a CRL");
  if (X509_CRL_verify(crl.get(), X509_get0_pubkey(authority.get())) != 1) {
    return absl::InvalidArgumentError("the CRL is not signed by this authority");
  }
  std::vector<std::string> serials;
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl.get());
  const int count = std::max(sk_X509_REVOKED_num(revoked), 0);  // -1: there is no list
  serials.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    serials.push_back(
        HexOfNumber(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i))));
  }
  return serials;
}

}  // namespace homeport::auth
