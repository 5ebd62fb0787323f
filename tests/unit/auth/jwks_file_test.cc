#include "libs/auth/jwks_file.h"

#include <catch2/catch.hpp>

#include "tests/support/token_signer.h"

namespace homeport::auth {
namespace {

using testing::JwksOf;
using testing::TestClaims;
using testing::ToJson;
using testing::TokenSigner;

constexpr int64_t kNow = 1'800'000'000;
constexpr WallMs kStart{kNow * 1000};

WallMs After(int64_t ms) { return {kStart.value + ms}; }

// A file whose contents and stamp the test sets.
struct FakeFile {
  int64_t stamp = 1;
  std::string text;
  int reads = 0;
  bool gone = false;

  JwksSource Source() {
    return {.stamp = [this]() -> absl::StatusOr<int64_t> {
              if (gone) return absl::NotFoundError("gone");
              return stamp;
            },
            .read = [this]() -> absl::StatusOr<std::string> {
              ++reads;
              if (gone) return absl::NotFoundError("gone");
              return text;
            }};
  }
};

std::string Token(const TokenSigner& signer, int64_t expires_s = kNow + 600) {
  TestClaims claims;
  claims.expires_s = expires_s;
  return signer.Sign(ToJson(claims));
}

std::unique_ptr<JwksFile> Open(FakeFile& file) {
  auto opened = JwksFile::Open(file.Source(), {"https://issuer.test", 60});
  REQUIRE(opened.ok());
  return *std::move(opened);
}

TEST_CASE("a replaced file takes effect within a second, a former key none") {
  const TokenSigner old_key = TokenSigner::Es256("old");
  const TokenSigner new_key = TokenSigner::Es256("new");
  FakeFile file{.text = JwksOf({&old_key})};
  const auto jwks = Open(file);
  CHECK(jwks->Verify(Token(old_key), kStart).ok());
  const std::string remembered = Token(old_key);
  CHECK(jwks->Verify(remembered, kStart).ok());

  file.text = JwksOf({&new_key});
  file.stamp = 2;
  CHECK_FALSE(jwks->Verify(Token(new_key), After(999)).ok());
  CHECK(jwks->Verify(Token(new_key), After(1000)).ok());
  CHECK_FALSE(jwks->Verify(remembered, After(1000)).ok());
  CHECK(file.reads == 2);
}

TEST_CASE("a broken or missing file keeps the former keys, and is read again") {
  const TokenSigner key = TokenSigner::Es256("k");
  FakeFile file{.text = JwksOf({&key})};
  const auto jwks = Open(file);
  file.text = "half a fi";
  file.stamp = 2;
  CHECK(jwks->Verify(Token(key), After(1000)).ok());
  file.gone = true;
  CHECK(jwks->Verify(Token(key), After(2000)).ok());
  file.gone = false;
  const TokenSigner next = TokenSigner::Es256("next");
  file.text = JwksOf({&next});
  CHECK(jwks->Verify(Token(next), After(3000)).ok());
}

TEST_CASE("a remembered token expires") {
  const TokenSigner key = TokenSigner::Es256("k");
  FakeFile file{.text = JwksOf({&key})};
  const auto jwks = Open(file);
  const std::string token = Token(key, kNow + 10);
  CHECK(jwks->Verify(token, kStart).ok());
  CHECK(jwks->Verify(token, After(69'999)).ok());
  CHECK_FALSE(jwks->Verify(token, After(70'000)).ok());
}

TEST_CASE("a file that cannot be used is refused at the start") {
  CHECK_FALSE(JwksFile::Open("/nonexistent/jwks.json", {"i", 60}).ok());
  FakeFile file{.text = "{}"};
  CHECK_FALSE(JwksFile::Open(file.Source(), {"i", 60}).ok());
}

}  // namespace
}  // namespace homeport::auth
