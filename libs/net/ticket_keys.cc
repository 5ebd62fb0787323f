#include "libs/net/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "libs/base/ascii.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::net {
namespace {

// What the callback answers.
constexpr int kFailed = -1;
constexpr int kUnknownKey = 0;
constexpr int kDone = 1;
constexpr int kDoneRenew = 2;

constexpr std::string_view kSpace = " \t\r";

std::string_view Trim(std::string_view line) {
  const size_t begin = line.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kSpace) - begin + 1);
}

// Takes the first line off `text`.
std::string_view NextLine(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(line.size() + 1, text->size()));
  return line;
}

// Empty where `hex` is not hexadecimal.
std::vector<uint8_t> FromHex(std::string_view hex) {
  std::vector<uint8_t> bytes(hex.size() / 2);
  if (hex.size() % 2 != 0 || !DecodeHex(hex, bytes)) return {};
  return bytes;
}

// HKDF with SHA-256, without salt.
bool Expand(const std::vector<uint8_t>& secret, std::string_view info, OSSL_LIB_CTX* library,
            uint8_t* out, size_t size) {
  EVP_KDF* kdf = EVP_KDF_fetch(library, "HKDF", nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  EVP_KDF_free(kdf);
  std::string digest = "SHA256";
  std::vector<uint8_t> key = secret;
  std::string label(info);
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  const bool done = context != nullptr && EVP_KDF_derive(context, out, size, params) == 1;
  EVP_KDF_CTX_free(context);
  OPENSSL_cleanse(key.data(), key.size());
  return done;
}

}  // namespace

absl::StatusOr<TicketKeys> TicketKeys::Parse(std::string_view text, OSSL_LIB_CTX* library) {
  TicketKeys keys;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::string_view line = Trim(NextLine(&text));
    if (line.empty() || line.front() == '#') continue;
    std::vector<uint8_t> secret = FromHex(line);
    if (secret.size() < kSecretBytesMin) {
      return absl::InvalidArgumentError(
          fmt::format("line {}: not {} or more bytes in hexadecimal", number, kSecretBytesMin));
    }
    if (keys.keys_.size() == kKeysMax) {
      return absl::InvalidArgumentError(fmt::format("more than {} keys", kKeysMax));
    }
    absl::StatusOr<Key> key = FromSecret(secret, library);
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!key.ok()) return key.status();
    keys.keys_.push_back(*key);
    OPENSSL_cleanse(&*key, sizeof *key);
  }
  if (keys.keys_.empty()) return absl::InvalidArgumentError("no key");
  keys.cipher_.reset(EVP_CIPHER_fetch(library, "AES-256-CBC", nullptr));
  if (keys.cipher_ == nullptr) return absl::InternalError("OpenSSL has no AES-256-CBC");
  return keys;
}

absl::StatusOr<TicketKeys::Key> TicketKeys::FromSecret(const std::vector<uint8_t>& secret,
                                                       OSSL_LIB_CTX* library) {
  Key key;
  if (!Expand(secret, "homeport ticket name", library, key.name.data(), key.name.size()) ||
      !Expand(secret, "homeport ticket cipher", library, key.cipher.data(), key.cipher.size()) ||
      !Expand(secret, "homeport ticket mac", library, key.mac.data(), key.mac.size())) {
    return absl::InternalError("OpenSSL has no HKDF");
  }
  return key;
}

std::string TicketKeys::RandomLine() {
  std::array<uint8_t, kSecretBytesMin> secret;
  HP_CHECK(RAND_bytes(secret.data(), secret.size()) == 1);
  std::string line;
  for (const uint8_t byte : secret) line += fmt::format("{:02x}", byte);
  OPENSSL_cleanse(secret.data(), secret.size());
  return line;
}

TicketKeys::~TicketKeys() { OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(Key)); }

int TicketKeys::Seal(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  const Key& key = keys_.front();
  std::copy(key.name.begin(), key.name.end(), name);
  const bool done = RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher_.get())) == 1 &&
                    EVP_EncryptInit_ex2(cipher, cipher_.get(), key.cipher.data(), iv, nullptr) == 1;
  return done && SetMac(key, mac) ? kDone : kFailed;
}

int TicketKeys::Open(const uint8_t* name, const uint8_t* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac) {
  const auto key = std::find_if(keys_.begin(), keys_.end(), [name](const Key& candidate) {
    return std::equal(candidate.name.begin(), candidate.name.end(), name);
  });
  if (key == keys_.end()) return kUnknownKey;
  const bool done =
      EVP_DecryptInit_ex2(cipher, cipher_.get(), key->cipher.data(), iv, nullptr) == 1 &&
      SetMac(*key, mac);
  if (!done) return kFailed;
  return key == keys_.begin() ? kDone : kDoneRenew;
}

bool TicketKeys::SetMac(const Key& key, EVP_MAC_CTX* mac) {
  std::array<uint8_t, kKeyBytes> secret = key.mac;
  std::string digest = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  const bool done = EVP_MAC_CTX_set_params(mac, params) == 1;
  OPENSSL_cleanse(secret.data(), secret.size());
  return done;
}

}  // namespace homeport::net
