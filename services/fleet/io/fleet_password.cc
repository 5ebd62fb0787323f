#include "services/fleet/io/fleet_password.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "libs/base/check.h"

namespace homeport::fleet {

std::string FleetUserName(std::string_view product, std::string_view device) {
  return fmt::format("{}/{}", product, device);
}

std::string FleetPassword(std::string_view fleet_key, std::string_view user_name) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned digest_bytes = 0;
  HP_CHECK(HMAC(EVP_sha256(), fleet_key.data(), static_cast<int>(fleet_key.size()),
                reinterpret_cast<const unsigned char*>(user_name.data()), user_name.size(),
                digest.data(), &digest_bytes) != nullptr);
  std::string hex;
  for (unsigned i = 0; i < digest_bytes; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace homeport::fleet
