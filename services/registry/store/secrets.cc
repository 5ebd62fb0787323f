#include "services/registry/store/secrets.h"

#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "libs/auth/credentials.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::registry {

std::string MakeSecret() {
  unsigned char bytes[32];
  HP_CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(bytes), sizeof bytes));
}

std::string MakeCredentialId(std::string_view prefix) {
  unsigned char bytes[6];
  HP_CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  std::string id = fmt::format("{}-", prefix);
  for (const unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

CredentialRow SecretHashRow(std::string_view device, std::string_view sha256) {
  CredentialRow row;
  row.device = device;
  row.id = MakeCredentialId("secret");
  row.kind = kSecretKind;
  row.data = sha256;
  return row;
}

CredentialRow SecretRow(std::string_view device, std::string_view secret) {
  const auth::Sha256Digest digest = auth::Sha256(secret);
  return SecretHashRow(device, {reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace homeport::registry
