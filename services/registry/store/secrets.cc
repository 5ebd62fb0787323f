#include "services/registry/store/secrets.h"

#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "libs/base/check.h"

namespace homeport::registry {

std::string MakeSecret() {
  unsigned char bytes[32];
  HP_CHECK(RAND_bytes(bytes, sizeof bytes) == 1);
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(bytes), sizeof bytes));
}

}  // namespace homeport::registry
