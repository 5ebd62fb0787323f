#include "tests/support/authorities.h"

#include <openssl/x509v3.h>

#include <string>

#include "libs/auth/openssl_types.h"
#include "libs/base/check.h"

namespace homeport::testing {
namespace {

constexpr int64_t kDays = 30;

auth::Pkey ReadKey(const std::string& pem) {
  auth::Pkey key(
      PEM_read_bio_PrivateKey(auth::ReaderOf(pem).get(), nullptr, auth::NoPassphrase, nullptr));
  HP_CHECK(key != nullptr);
  return key;
}

auth::Certificate Parsed(const std::string& pem) {
  auto certificate = auth::Certificate::FromPem(pem);
  HP_CHECK(certificate.ok());
  return *std::move(certificate);
}

}  // namespace

// MakeAuthority makes authorities that sign devices only: the extension that says so is exchanged,
// and the whole signed again.
auth::KeyAndCertificate MakeAuthorityOf(std::string_view name,
                                        const auth::KeyAndCertificate* issuer, WallMs now) {
  const auto self = auth::MakeAuthority({std::string(name), now, kDays});
  HP_CHECK(self.ok());
  const auth::Certificate made = Parsed(self->certificate_pem);
  const auth::X509Ptr whole(X509_dup(made.get()));
  X509* const certificate = whole.get();
  const int at = X509_get_ext_by_NID(certificate, NID_basic_constraints, -1);
  X509_EXTENSION_free(X509_delete_ext(certificate, at));
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
  HP_CHECK(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
  if (issuer != nullptr) {
    const auth::Certificate parent = Parsed(issuer->certificate_pem);
    HP_CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(parent.get())) == 1);
  }
  const auth::Pkey key = ReadKey(issuer != nullptr ? issuer->key_pem : self->key_pem);
  HP_CHECK(X509_sign(certificate, key.get(), EVP_sha256()) != 0);
  const auto signed_one = auth::Certificate::FromDer(auth::DerOf<i2d_X509>(certificate));
  HP_CHECK(signed_one.ok());
  return {self->key_pem, signed_one->ToPem()};
}

auth::KeyAndCertificate MakeDeviceOf(std::string_view name, const auth::KeyAndCertificate& issuer,
                                     WallMs now) {
  const auto key = auth::MakeKey();
  HP_CHECK(key.ok());
  const auto csr = auth::MakeCsr(*key, name);
  HP_CHECK(csr.ok());
  const auto certificate = auth::SignCsr(*csr, issuer, {std::string(name), now, kDays});
  HP_CHECK(certificate.ok());
  return {*key, certificate->ToPem()};
}

}  // namespace homeport::testing
