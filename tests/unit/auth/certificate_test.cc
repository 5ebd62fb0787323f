#include "libs/auth/certificate.h"

#include <openssl/ui.h>

#include <catch2/catch.hpp>

#include "libs/auth/certificate_maker.h"
#include "libs/auth/openssl_types.h"
#include "libs/auth/public_key.h"
#include "libs/auth/sealed_box.h"
#include "libs/base/strings.h"
#include "tests/support/authorities.h"

namespace homeport::auth {
namespace {

constexpr WallMs kNow{1'800'000'000'000};
constexpr int64_t kDayMs = 86'400'000;

KeyAndCertificate Authority(const char* name) {
  auto made = MakeAuthority({name, kNow, 3650});
  REQUIRE(made.ok());
  return *std::move(made);
}

Certificate Signed(const KeyAndCertificate& authority, const char* name, int64_t days = 365) {
  const auto key = MakeKey();
  REQUIRE(key.ok());
  const auto csr = MakeCsr(*key, "what the device would like to be called");
  REQUIRE(csr.ok());
  REQUIRE(CheckCsr(*csr).ok());
  auto certificate = SignCsr(*csr, authority, {name, kNow, days});
  REQUIRE(certificate.ok());
  return *std::move(certificate);
}

Certificate Parsed(const std::string& pem) {
  auto certificate = Certificate::FromPem(pem);
  REQUIRE(certificate.ok());
  return *std::move(certificate);
}

TEST_CASE("a certificate is verified by who signed it, while it is valid") {
  const KeyAndCertificate ours = Authority("ours");
  const Certificate authority = Parsed(ours.certificate_pem);
  const Certificate device = Signed(ours, "lamp-1");
  CHECK(authority.is_authority());
  CHECK_FALSE(device.is_authority());
  CHECK(device.Names() == std::vector<std::string>{"lamp-1"});
  CHECK(device.Subject()["CommonName"] == "lamp-1");
  CHECK(device.IssuerSha256() == authority.SubjectSha256());
  CHECK(device.VerifyBy(authority, {}, kNow).ok());
  CHECK_FALSE(device.VerifyBy(authority, {}, {kNow.value + 366 * kDayMs}).ok());
  CHECK_FALSE(device.VerifyBy(authority, {}, {kNow.value - kDayMs}).ok());
  CHECK_FALSE(device.VerifyBy(Parsed(Authority("ours").certificate_pem), {}, kNow).ok());
}

TEST_CASE("a path goes from the certificate to what the authority signed itself") {
  const KeyAndCertificate root = testing::MakeAuthorityOf("root", nullptr, kNow);
  const KeyAndCertificate plant = testing::MakeAuthorityOf("plant", &root, kNow);
  const KeyAndCertificate line = testing::MakeAuthorityOf("line", &plant, kNow);
  const Certificate lamp = Parsed(testing::MakeDeviceOf("lamp-1", line, kNow).certificate_pem);
  const std::vector<Certificate> chain = {
      Parsed(line.certificate_pem), Parsed(plant.certificate_pem), Parsed(root.certificate_pem)};
  const auto serials = [&](const KeyAndCertificate& authority) {
    std::vector<std::string> found;
    const auto path = lamp.VerifyBy(Parsed(authority.certificate_pem), chain, kNow);
    REQUIRE(path.ok());
    for (const Certificate& link : *path) found.push_back(link.Serial());
    return found;
  };
  CHECK(serials(line) == std::vector{lamp.Serial()});
  CHECK(serials(plant) == std::vector{lamp.Serial(), chain[0].Serial()});
  CHECK(serials(root) == std::vector{lamp.Serial(), chain[0].Serial(), chain[1].Serial()});
  CHECK_FALSE(lamp.VerifyBy(Parsed(root.certificate_pem), {chain[0]}, kNow).ok());
}

TEST_CASE("ids and serials") {
  const Certificate device = Signed(Authority("ours"), "lamp-1");
  CHECK(device.Id().size() == 64);
  CHECK(Parsed(device.ToPem()).Id() == device.Id());
  CHECK(device.Serial().size() == 32);
  CHECK(device.not_after_s() - device.not_before_s() == 365 * 86'400 + 300);
}

TEST_CASE("what is no certificate, and no request") {
  CHECK_FALSE(Certificate::FromDer("").ok());
  CHECK_FALSE(Certificate::FromDer(std::string(20'000, '\x30')).ok());
  CHECK_FALSE(Certificate::FromPem("-----BEGIN CERTIFICATE-----\n").ok());
  CHECK_FALSE(CheckCsr("").ok());
  CHECK_FALSE(ReadCrl("junk", Signed(Authority("a"), "x")).ok());
}

TEST_CASE("nothing may follow a certificate in DER") {
  const std::string pem = Signed(Authority("ours"), "lamp-1").ToPem();
  const std::string der = DerOf<i2d_X509>(Parsed(pem).get());
  REQUIRE(Certificate::FromDer(der).ok());
  CHECK(Certificate::FromDer(der)->Id() == CertificateIdOf(der));
  CHECK_FALSE(Certificate::FromDer(der + '\0').ok());
}

TEST_CASE("nobody is asked for the passphrase of PEM that claims to be encrypted") {
  static bool asked;
  asked = false;
  UI_METHOD* const terminal = UI_create_method("terminal");
  UI_method_set_opener(terminal, [](UI*) -> int {
    asked = true;
    return 0;
  });
  UI_set_default_method(terminal);
  constexpr std::string_view kBody =
      "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
      "MIIBMIIBMIIBMIIBMIIBMA==\n";
  const auto pem = [&](std::string_view what) {
    return fmt::format("-----BEGIN {0}-----\n{1}-----END {0}-----\n", what, kBody);
  };
  CHECK_FALSE(CheckCsr(pem("CERTIFICATE REQUEST")).ok());
  CHECK_FALSE(Certificate::FromPem(pem("CERTIFICATE")).ok());
  CHECK_FALSE(PublicKey::FromPem(pem("PUBLIC KEY")).ok());
  CHECK_FALSE(ReadCrl(pem("X509 CRL"), Signed(Authority("a"), "x")).ok());
  CHECK_FALSE(MakeCsr(pem("PRIVATE KEY"), "x").ok());
  CHECK_FALSE(asked);
  UI_set_default_method(UI_OpenSSL());
  UI_destroy_method(terminal);
}

TEST_CASE("a request with a broken signature is refused") {
  const auto key = MakeKey();
  auto csr = MakeCsr(*key, "x");
  REQUIRE(csr.ok());
  // The last base64 line holds the end of the signature.
  const size_t at = csr->rfind("\n-----END") - 6;
  (*csr)[at] = (*csr)[at] == 'A' ? 'B' : 'A';
  CHECK_FALSE(CheckCsr(*csr).ok());
}

// PEM of a new key; takes `key` over.
std::string PemOf(EVP_PKEY* key) {
  const Pkey owned(key);
  REQUIRE(owned != nullptr);
  const Bio out(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) ==
          1);
  return TextOf(out.get());
}

TEST_CASE("requests are over the keys that AWS IoT takes, and Ed25519") {
  struct Row {
    const char* name;
    EVP_PKEY* key;
    bool good;
  };
  const Row row =
      GENERATE(Row{"P-256", EVP_EC_gen("P-256"), true}, Row{"P-384", EVP_EC_gen("P-384"), true},
               Row{"P-521", EVP_EC_gen("P-521"), true}, Row{"P-224", EVP_EC_gen("P-224"), false},
               Row{"RSA 2048", EVP_RSA_gen(2048), true}, Row{"RSA 1024", EVP_RSA_gen(1024), false},
               Row{"Ed25519", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), true});
  INFO(row.name);
  const auto csr = MakeCsr(PemOf(row.key), "x");
  REQUIRE(csr.ok());
  CHECK(CheckCsr(*csr).ok() == row.good);
  if (!row.good) return;
  const KeyAndCertificate authority = Authority("root");
  const auto certificate = SignCsr(*csr, authority, {"lamp-1", kNow, 365});
  REQUIRE(certificate.ok());
  CHECK(IsForCsr(*certificate, *csr));
}

TEST_CASE("a sealed secret opens with its key and label only") {
  const auto box = SealedBox::FromHex(std::string(64, 'a') + "\n");
  const auto other = SealedBox::FromHex(std::string(64, 'b'));
  REQUIRE(box.ok());
  REQUIRE(other.ok());
  const std::string sealed = box->Seal("the key", "acme/ca");
  CHECK(sealed.find("the key") == std::string::npos);
  CHECK(sealed != box->Seal("the key", "acme/ca"));
  CHECK(box->Open(sealed, "acme/ca") == "the key");
  CHECK_FALSE(box->Open(sealed, "acme/cb"));
  CHECK_FALSE(other->Open(sealed, "acme/ca"));
  CHECK_FALSE(box->Open(sealed.substr(0, 20), "acme/ca"));
  for (const size_t at : {size_t{0}, size_t{12}, sealed.size() - 1}) {
    std::string changed = sealed;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    CHECK_FALSE(box->Open(changed, "acme/ca"));
  }
  CHECK(box->Open(box->Seal("", "x"), "x") == "");
  for (const char* key : {"", "ab", "zz"}) CHECK_FALSE(SealedBox::FromHex(key).ok());
}

}  // namespace
}  // namespace homeport::auth
