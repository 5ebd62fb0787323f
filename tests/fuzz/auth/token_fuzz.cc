#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/auth/token.h"
#include "libs/base/check.h"

namespace {

// The public key of RFC 7515, A.3. The sample token signed with it names no subject, so no input is
// accepted.
constexpr const char* kJwks = R"({"keys":[{"kty":"EC","crv":"P-256",)"
                              R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                              R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";

}  // namespace

// The input is a token, and also a JWKS.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport;
  static const auto* const verifier =
      auth::TokenVerifier::FromJwks(kJwks, {.issuer = "joe"}).value().release();
  const std::string input(reinterpret_cast<const char*>(data), size);
  HP_CHECK(!verifier->Verify(input, WallMs{0}).ok());
  (void)auth::TokenVerifier::FromJwks(input, {.issuer = "joe"});
  return 0;
}
