#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/auth/certificate.h"
#include "libs/auth/certificate_maker.h"
#include "libs/auth/public_key.h"
#include "libs/base/check.h"

// What a client shows in its TLS handshake, what a device asks to be signed, what an operator
// registers: the input is each of them.
namespace homeport::auth {
namespace {

constexpr WallMs kNow{1'800'000'000'000};

const KeyAndCertificate& Authority() {
  static const auto* const authority =
      new KeyAndCertificate(MakeAuthority({"authority", kNow, 3650}).value());
  return *authority;
}

void CheckCertificate(const Certificate& certificate) {
  HP_CHECK(certificate.Id().size() == 64);
  const auto again = Certificate::FromPem(certificate.ToPem());
  HP_CHECK(again.ok() && again->Id() == certificate.Id());
  HP_CHECK(again->Names() == certificate.Names());
  HP_CHECK(again->Subject() == certificate.Subject());
  HP_CHECK(again->Serial() == certificate.Serial());
  HP_CHECK(again->SubjectSha256().size() == 32 && again->IssuerSha256().size() == 32);
  HP_CHECK(again->not_before_s() == certificate.not_before_s());
  HP_CHECK(again->not_after_s() == certificate.not_after_s());
  static_cast<void>(certificate.is_authority());
  // It is nobody's of ours, with whatever it brings along.
  static const Certificate authority = Certificate::FromPem(Authority().certificate_pem).value();
  HP_CHECK(!certificate.VerifyBy(authority, {certificate}, kNow).ok() ||
           certificate.Id() == authority.Id());
  static_cast<void>(certificate.VerifyBy(certificate, {authority}, kNow));
}

void CheckRequest(const std::string& csr) {
  if (!CheckCsr(csr).ok()) return;
  const auto certificate = SignCsr(csr, Authority(), {"lamp-1", kNow, 30});
  HP_CHECK(certificate.ok() && IsForCsr(*certificate, csr));
  HP_CHECK(certificate->Names() == std::vector<std::string>{"lamp-1"});
}

}  // namespace
}  // namespace homeport::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::auth;
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto from_der = Certificate::FromDer(input);
  if (from_der.ok()) {
    CheckCertificate(*from_der);
    HP_CHECK(!Certificate::FromDer(input + '\0').ok());
    static_cast<void>(ReadCrl(input, *from_der));
  }
  const auto from_pem = Certificate::FromPem(input);
  if (from_pem.ok()) {
    CheckCertificate(*from_pem);
    static_cast<void>(ReadCrl(input, *from_pem));  // one after the other
  }
  const auto key = PublicKey::FromDer(input);
  if (key.ok()) HP_CHECK(PublicKey::FromPem(key->ToPem()).ok());
  CheckRequest(input);
  return 0;
}
