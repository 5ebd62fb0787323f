// The low-level SHA-256 functions work on a plain struct: no allocation, no provider look-up. The
// EVP interface costs several times the hash itself for inputs as short as these.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "libs/auth/credentials.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "libs/base/ids.h"

namespace homeport::auth {
namespace {

constexpr size_t kBlockBytes = SHA256_CBLOCK;
using Block = std::array<uint8_t, kBlockBytes>;
using HexDigest = std::array<char, 2 * SHA256_DIGEST_LENGTH>;

// The key as one block: hashed when longer, padded with zeros when shorter (RFC 2104).
Block KeyBlock(std::string_view key) {
  Block block{};
  if (key.size() > kBlockBytes) {
    const Sha256Digest digest = Sha256(key);
    std::copy(digest.begin(), digest.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  return block;
}

void StartWithPad(SHA256_CTX& context, const Block& key, uint8_t pad) {
  Block padded;
  std::transform(key.begin(), key.end(), padded.begin(),
                 [pad](uint8_t byte) { return static_cast<uint8_t>(byte ^ pad); });
  SHA256_Init(&context);
  SHA256_Update(&context, padded.data(), padded.size());
  OPENSSL_cleanse(padded.data(), padded.size());
}

HexDigest Hex(const Sha256Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  HexDigest hex;
  for (size_t i = 0; i < digest.size(); ++i) {
    hex[2 * i] = kDigits[digest[i] >> 4];
    hex[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return hex;
}

}  // namespace

Sha256Digest Sha256(std::string_view bytes) {
  Sha256Digest digest;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

Sha256Digest HmacSha256(std::string_view key, std::string_view message) {
  Block block = KeyBlock(key);
  Sha256Digest digest;
  SHA256_CTX context;
  StartWithPad(context, block, 0x36);
  SHA256_Update(&context, message.data(), message.size());
  SHA256_Final(digest.data(), &context);
  StartWithPad(context, block, 0x5c);
  SHA256_Update(&context, digest.data(), digest.size());
  SHA256_Final(digest.data(), &context);
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(&context, sizeof(context));
  return digest;
}

bool IsDeviceName(std::string_view name) {
  return IsValidDeviceId(name) && name.substr(0, kClaimPrefix.size()) != kClaimPrefix;
}

std::optional<MqttUser> ParseMqttUser(std::string_view username) {
  MqttUser user;
  user.name = username.substr(0, username.rfind('?'));
  const size_t slash = user.name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  user.product = user.name.substr(0, slash);
  user.device = user.name.substr(slash + 1);
  if (!IsValidProductId(user.product) || !IsDeviceName(user.device)) return std::nullopt;
  return user;
}

std::string FleetPassword(std::string_view fleet_key, std::string_view name) {
  const HexDigest hex = Hex(HmacSha256(fleet_key, name));
  return {hex.data(), hex.size()};
}

bool VerifyFleetPassword(std::string_view fleet_key, std::string_view name,
                         std::string_view password) {
  const HexDigest expected = Hex(HmacSha256(fleet_key, name));
  return password.size() == expected.size() &&
         CRYPTO_memcmp(password.data(), expected.data(), expected.size()) == 0;
}

bool VerifySecret(std::string_view secret, std::string_view sha256) {
  const Sha256Digest digest = Sha256(secret);
  return sha256.size() == digest.size() &&
         CRYPTO_memcmp(sha256.data(), digest.data(), digest.size()) == 0;
}

}  // namespace homeport::auth
