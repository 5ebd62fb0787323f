#include "libs/auth/device_token.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "tests/support/token_signer.h"

namespace homeport::auth {
namespace {

using testing::TokenSigner;

constexpr int64_t kNow = 1'800'000'000;
constexpr WallMs kNowMs{kNow * 1000};

PublicKey KeyOf(const TokenSigner& signer) {
  absl::StatusOr<PublicKey> key = PublicKey::FromPem(signer.PublicPem());
  REQUIRE(key.ok());
  return *std::move(key);
}

std::string Claims(std::string_view sub, int64_t exp, std::string_view more = "") {
  return fmt::format(R"({{"sub":"{}","exp":{}{}}})", sub, exp, more);
}

TEST_CASE("a token of each algorithm is taken from its own key only") {
  const TokenSigner signers[] = {TokenSigner::Es256("a"), TokenSigner::Rs256("b"),
                                 TokenSigner::Ed25519("c")};
  for (size_t signed_by = 0; signed_by < 3; ++signed_by) {
    const std::string token = signers[signed_by].Sign(Claims("lamp-1", kNow + 60));
    CHECK(LooksLikeToken(token));
    for (size_t checked_by = 0; checked_by < 3; ++checked_by) {
      const std::string_view wrong =
          VerifyDeviceToken(token, "lamp-1", KeyOf(signers[checked_by]), {}, kNowMs);
      CHECK(wrong == (signed_by == checked_by ? "" : "token_algorithm"));
    }
  }
  const TokenSigner other = TokenSigner::Es256("a");
  CHECK(VerifyDeviceToken(other.Sign(Claims("lamp-1", kNow + 60)), "lamp-1", KeyOf(signers[0]), {},
                          kNowMs) == "token_signature");
}

TEST_CASE("a key written as DER reads back") {
  const TokenSigner signer = TokenSigner::Ed25519("x");
  const PublicKey key = KeyOf(signer);
  const auto again = PublicKey::FromDer(key.ToDer());
  REQUIRE(again.ok());
  CHECK(again->ToPem() == key.ToPem());
  CHECK(again->algorithm() == "EdDSA");
}

TEST_CASE("claims of a device's token") {
  struct Row {
    const char* name;
    std::string claims;
    std::string_view wrong;
  };
  const DeviceTokenRules rules{"homeport", 300, 86'400};
  const TokenSigner signer = TokenSigner::Es256("k");
  const PublicKey key = KeyOf(signer);
  constexpr std::string_view kAud = R"(,"aud":"homeport")";
  for (const Row& row : {
           Row{"all well", Claims("lamp-1", kNow + 60, kAud), ""},
           Row{"expired within the skew", Claims("lamp-1", kNow - 299, kAud), ""},
           Row{"expired beyond it", Claims("lamp-1", kNow - 300, kAud), "token_expired"},
           Row{"the longest life", Claims("lamp-1", kNow + 86'700, kAud), ""},
           Row{"too long a life", Claims("lamp-1", kNow + 86'701, kAud), "token_life"},
           Row{"another device", Claims("lamp-2", kNow + 60, kAud), "token_device"},
           Row{"no audience", Claims("lamp-1", kNow + 60), "token_audience"},
           Row{"one audience of two", Claims("lamp-1", kNow + 60, R"(,"aud":["a","homeport"])"),
               ""},
           Row{"issued in a fast clock's future",
               Claims("lamp-1", kNow + 60, R"(,"aud":"homeport","iat":1800000300)"), ""},
           Row{"issued beyond the skew",
               Claims("lamp-1", kNow + 60, R"(,"aud":"homeport","iat":1800000301)"),
               "token_not_yet_valid"},
           Row{"not before, beyond the skew",
               Claims("lamp-1", kNow + 60, R"(,"aud":"homeport","nbf":1800000301)"),
               "token_not_yet_valid"},
           Row{"no expiry", R"({"sub":"lamp-1","aud":"homeport"})", "token_malformed"},
           Row{"no object", R"([])", "token_malformed"},
       }) {
    INFO(row.name);
    CHECK(VerifyDeviceToken(signer.Sign(row.claims), "lamp-1", key, rules, kNowMs) == row.wrong);
  }
}

TEST_CASE("what is no token") {
  const TokenSigner signer = TokenSigner::Es256("k");
  const PublicKey key = KeyOf(signer);
  for (const char* text : {"", "secret", "a.b", "ey.", "..", "eyJhbGciOiJub25lIn0.e30."}) {
    INFO(text);
    CHECK_FALSE(VerifyDeviceToken(text, "lamp-1", key, {}, kNowMs).empty());
  }
  CHECK_FALSE(LooksLikeToken("eyeOpener-but-no-dots"));
  CHECK_FALSE(LooksLikeToken(std::string(9000, 'e')));
  CHECK(VerifyDeviceToken(signer.SignWithHeader(R"({"alg":"none"})", Claims("lamp-1", kNow + 60)),
                          "lamp-1", key, {}, kNowMs) == "token_algorithm");
}

TEST_CASE("keys that are not taken") {
  CHECK_FALSE(PublicKey::FromPem("").ok());
  CHECK_FALSE(
      PublicKey::FromPem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").ok());
  CHECK_FALSE(PublicKey::FromDer("junk").ok());
}

}  // namespace
}  // namespace homeport::auth
