#include "libs/auth/token.h"

#include <catch2/catch.hpp>

#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "tests/support/token_signer.h"

namespace homeport::auth {
namespace {

using testing::Base64Url;
using testing::JwksOf;
using testing::TestClaims;
using testing::ToJson;
using testing::TokenSigner;

constexpr int64_t kNow = 1'800'000'000;
const WallMs kNowMs{kNow * 1000};

const TokenSigner& Ec() {
  static const TokenSigner signer = TokenSigner::Es256("ec-1");
  return signer;
}

const TokenSigner& Rsa() {
  static const TokenSigner signer = TokenSigner::Rs256("rsa-1");
  return signer;
}

std::unique_ptr<TokenVerifier> Verifier() {
  auto verifier = TokenVerifier::FromJwks(JwksOf({&Ec(), &Rsa()}), {"https://issuer.test", 60});
  REQUIRE(verifier.ok());
  return *std::move(verifier);
}

TestClaims Valid() {
  TestClaims claims;
  claims.expires_s = kNow + 600;
  return claims;
}

// "" for a token that is accepted.
std::string ReasonFor(const std::string& token) {
  return ReasonOf(Verifier()->Verify(token, kNowMs).status());
}

TEST_CASE("a valid token yields its claims") {
  TestClaims claims = Valid();
  claims.scope = "operator  user";
  for (const TokenSigner* signer : {&Ec(), &Rsa()}) {
    const auto verified = Verifier()->Verify(signer->Sign(ToJson(claims)), kNowMs);
    REQUIRE(verified.ok());
    CHECK(verified->subject == "alice");
    CHECK(verified->tenant == "default");
    CHECK(verified->scopes == std::vector<std::string>{"operator", "user"});
    CHECK(verified->expires_s == kNow + 600);
    CHECK(verified->HasScope("user"));
    CHECK_FALSE(verified->HasScope("service"));
  }
}

TEST_CASE("expiry allows for the clock skew") {
  struct Row {
    int64_t expires_s;
    const char* reason;
  };
  for (const Row& row : {Row{kNow + 1, ""}, Row{kNow - 59, ""}, Row{kNow - 60, "TOKEN_EXPIRED"},
                         Row{kNow - 3600, "TOKEN_EXPIRED"}}) {
    TestClaims claims;
    claims.expires_s = row.expires_s;
    INFO(row.expires_s - kNow);
    CHECK(ReasonFor(Ec().Sign(ToJson(claims))) == row.reason);
  }
}

TEST_CASE("claims that are refused") {
  struct Row {
    const char* name;
    std::string claims;
  };
  TestClaims issuer = Valid();
  issuer.issuer = "https://other.test";
  TestClaims subject = Valid();
  subject.subject = "";
  TestClaims tenant = Valid();
  tenant.tenant = "Not A Tenant";
  const Row rows[] = {
      {"other issuer", ToJson(issuer)},
      {"no subject", ToJson(subject)},
      {"bad tenant", ToJson(tenant)},
      {"no expiry", R"({"iss":"https://issuer.test","sub":"a","tenant":"t"})"},
      {"expiry is text",
       R"({"iss":"https://issuer.test","sub":"a","tenant":"t","exp":"1900000000"})"},
      {"not yet valid",
       fmt::format(R"({{"iss":"https://issuer.test","sub":"a","tenant":"t","exp":{},"nbf":{}}})",
                   kNow + 600, kNow + 61)},
      {"not an object", "[]"},
      {"not JSON", "alice"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(ReasonFor(Ec().Sign(row.claims)) == "TOKEN_INVALID");
  }
}

TEST_CASE("headers that are refused, though the signature is the key's own") {
  const std::string claims = ToJson(Valid());
  for (const char* header :
       {R"({"alg":"none"})", R"({"alg":"HS256","kid":"ec-1"})", R"({"alg":"ES384","kid":"ec-1"})",
        R"({"alg":"RS256","kid":"ec-1"})", R"({"alg":"ES256","kid":"rsa-1"})",
        R"({"alg":"ES256","kid":"unknown"})", R"({"alg":"ES256","kid":"ec-1","crit":["exp"]})",
        R"({"kid":"ec-1"})", R"({"alg":["ES256"]})", "[]", "{"}) {
    INFO(header);
    CHECK(ReasonFor(Ec().SignWithHeader(header, claims)) == "TOKEN_INVALID");
  }
}

TEST_CASE("a token without kid is tried with each key of its type") {
  CHECK(ReasonFor(Ec().SignWithHeader(R"({"alg":"ES256"})", ToJson(Valid()))) == "");
}

TEST_CASE("another key's signature does not hold") {
  const TokenSigner stranger = TokenSigner::Es256("ec-1");
  CHECK(ReasonFor(stranger.Sign(ToJson(Valid()))) == "TOKEN_INVALID");
}

TEST_CASE("an unsigned token, and the public key used as an HMAC secret, are refused") {
  const std::string body = Base64Url(R"({"alg":"none"})") + "." + Base64Url(ToJson(Valid()));
  CHECK(ReasonFor(body + ".") == "TOKEN_INVALID");
  CHECK(ReasonFor(body) == "TOKEN_INVALID");
  CHECK(ReasonFor(body + ".AAAA") == "TOKEN_INVALID");
}

TEST_CASE("no changed character is accepted") {
  const std::string token = Ec().Sign(ToJson(Valid()));
  const auto verifier = Verifier();
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = token[i] == 'A' ? 'B' : 'A';
    INFO("character " << i);
    CHECK_FALSE(verifier->Verify(changed, kNowMs).ok());
  }
}

TEST_CASE("malformed tokens") {
  const std::string token = Ec().Sign(ToJson(Valid()));
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), token + ".x",
        token + "=", " " + token, std::string("A.B.C"), std::string("e30.=.e30"), token + "\n",
        token.substr(0, token.rfind('.')), std::string(kTokenBytesMax + 1, 'a'),
        std::string("a\0b.c.d", 7)}) {
    INFO(bad);
    CHECK(ReasonFor(bad) == "TOKEN_INVALID");
  }
}

TEST_CASE("a JWKS without a usable key is refused") {
  for (const char* jwks :
       {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[7]})",
        R"({"keys":[{"kty":"oct","k":"c2VjcmV0"}]})",
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]})",
        // A point that is not on the curve; a number that is not base64url; a weak RSA key.
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",)"
        R"("y":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]})",
        R"({"keys":[{"kty":"EC","crv":"P-256","x":"A=B","y":"AQAB"}]})",
        R"({"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]})"}) {
    INFO(jwks);
    const auto verifier = TokenVerifier::FromJwks(jwks, {"i", 60});
    CHECK(verifier.status().code() == absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace homeport::auth
