#include "libs/auth/certificate_maker.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <utility>

#include "libs/auth/openssl_types.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

constexpr int64_t kBackdatedSeconds = 300;  // for devices whose clock is a little behind
constexpr size_t kSerialBytes = 16;

absl::Status Failed(std::string_view what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  return absl::InternalError(fmt::format("{}: {}", what, text));
}

absl::StatusOr<Pkey> ReadKey(std::string_view pem) {
  Pkey key(PEM_read_bio_PrivateKey(ReaderOf(pem).get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) return Failed("private key");
  return key;
}

std::string WriteKey(EVP_PKEY* key) {
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  std::string pem = TextOf(out.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out.get(), &data);
  if (size > 0) OPENSSL_cleanse(data, static_cast<size_t>(size));
  return pem;
}

bool SetName(X509_NAME* name, std::string_view common_name) {
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, UnsignedBytes(common_name),
                                    static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool SetSerial(X509* certificate) {
  unsigned char bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, of full length
  const Number number(BN_bin2bn(bytes, sizeof bytes, nullptr));
  return BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool AddExtension(X509* certificate, X509* issuer, int id, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Everything but issuer, extensions and signature.
absl::StatusOr<X509Ptr> Begin(EVP_PKEY* key, const CertificateTerms& terms) {
  X509Ptr certificate(X509_new());
  const auto now_s = static_cast<time_t>(terms.now.value / 1000);
  const auto until_s = now_s + static_cast<time_t>(terms.days * 86'400);
  if (X509_set_version(certificate.get(), 2) != 1 || !SetSerial(certificate.get()) ||
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), now_s - kBackdatedSeconds) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), until_s) == nullptr ||
      !SetName(X509_get_subject_name(certificate.get()), terms.common_name) ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return Failed("certificate");
  }
  return certificate;
}

const EVP_MD* DigestFor(EVP_PKEY* key) {
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
}

// What AWS IoT takes in a request, and Ed25519.
bool MayBeCertified(EVP_PKEY* key) {
  constexpr int kRsaBitsMin = 2048;
  constexpr int kRsaBitsMax = 8192;
  constexpr std::string_view kCurves[] = {"prime256v1", "secp384r1", "secp521r1"};
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_RSA) {
    return EVP_PKEY_get_bits(key) >= kRsaBitsMin && EVP_PKEY_get_bits(key) <= kRsaBitsMax;
  }
  if (kind != EVP_PKEY_EC) return kind == EVP_PKEY_ED25519;
  char group[64] = "";
  size_t size = 0;
  EVP_PKEY_get_group_name(key, group, sizeof group, &size);
  return std::find(std::begin(kCurves), std::end(kCurves), std::string_view(group, size)) !=
         std::end(kCurves);
}

X509ReqPtr ReadCsr(std::string_view pem) {
  return X509ReqPtr(PEM_read_bio_X509_REQ(ReaderOf(pem).get(), nullptr, NoPassphrase, nullptr));
}

}  // namespace

absl::StatusOr<std::string> MakeKey() {
  const ErrorQueueGuard guard;
  const Pkey key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("key");
  return WriteKey(key.get());
}

absl::StatusOr<KeyAndCertificate> MakeAuthority(const CertificateTerms& terms) {
  const ErrorQueueGuard guard;
  HP_ASSIGN_OR_RETURN(std::string key_pem, MakeKey());
  HP_ASSIGN_OR_RETURN(const Pkey key, ReadKey(key_pem));
  HP_ASSIGN_OR_RETURN(const X509Ptr made, Begin(key.get(), terms));
  X509* const certificate = made.get();
  if (X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) != 1 ||
      !AddExtension(certificate, certificate, NID_basic_constraints,
                    "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(certificate, certificate, NID_subject_key_identifier, "hash") ||
      X509_sign(certificate, key.get(), EVP_sha256()) == 0) {
    return Failed("authority");
  }
  HP_ASSIGN_OR_RETURN(const Certificate whole, Certificate::FromDer(DerOf<i2d_X509>(certificate)));
  return KeyAndCertificate{std::move(key_pem), whole.ToPem()};
}

absl::StatusOr<std::string> MakeCsr(std::string_view key_pem, std::string_view common_name) {
  const ErrorQueueGuard guard;
  HP_ASSIGN_OR_RETURN(const Pkey key, ReadKey(key_pem));
  const X509ReqPtr csr(X509_REQ_new());
  if (!SetName(X509_REQ_get_subject_name(csr.get()), common_name) ||
      X509_REQ_set_pubkey(csr.get(), key.get()) != 1 ||
      X509_REQ_sign(csr.get(), key.get(), DigestFor(key.get())) == 0) {
    return Failed("certificate request");
  }
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(out.get(), csr.get());
  return TextOf(out.get());
}

absl::Status CheckCsr(std::string_view csr_pem) {
  const ErrorQueueGuard guard;
  const X509ReqPtr csr = ReadCsr(csr_pem);
  if (csr == nullptr) return absl::InvalidArgumentError("not a certificate request in PEM");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(csr.get());
  if (key == nullptr || !MayBeCertified(key)) {
    return absl::InvalidArgumentError(
        "a key is P-256, P-384, P-521, RSA of 2,048 to 8,192 bits, or Ed25519");
  }
  if (X509_REQ_verify(csr.get(), key) != 1) {
    return absl::InvalidArgumentError("the certificate request is not signed by its own key");
  }
  return absl::OkStatus();
}

bool IsForCsr(const Certificate& certificate, std::string_view csr_pem) {
  const ErrorQueueGuard guard;
  const X509ReqPtr csr = ReadCsr(csr_pem);
  return csr != nullptr &&
         EVP_PKEY_eq(X509_REQ_get0_pubkey(csr.get()), X509_get0_pubkey(certificate.get())) == 1;
}

absl::StatusOr<Certificate> SignCsr(std::string_view csr_pem, const KeyAndCertificate& authority,
                                    const CertificateTerms& terms) {
  const ErrorQueueGuard guard;
  HP_ASSIGN_OR_RETURN(const Pkey key, ReadKey(authority.key_pem));
  HP_ASSIGN_OR_RETURN(const Certificate issuer, Certificate::FromPem(authority.certificate_pem));
  const X509ReqPtr csr = ReadCsr(csr_pem);
  if (csr == nullptr) return absl::InvalidArgumentError("not a certificate request in PEM");
  HP_ASSIGN_OR_RETURN(const X509Ptr made, Begin(X509_REQ_get0_pubkey(csr.get()), terms));
  X509* const certificate = made.get();
  if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) != 1 ||
      !AddExtension(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate, issuer.get(), NID_ext_key_usage, "clientAuth") ||
      !AddExtension(certificate, issuer.get(), NID_subject_key_identifier, "hash") ||
      !AddExtension(certificate, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
      X509_sign(certificate, key.get(), DigestFor(key.get())) == 0) {
    return Failed("certificate");
  }
  return Certificate::FromDer(DerOf<i2d_X509>(certificate));
}

}  // namespace homeport::auth
