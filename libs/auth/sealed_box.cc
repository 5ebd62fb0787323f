#include "libs/auth/sealed_box.h"

#include <openssl/rand.h>

#include "libs/auth/openssl_types.h"
#include "libs/base/ascii.h"
#include "libs/base/check.h"

namespace homeport::auth {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

unsigned char* WritableBytes(std::string& text, size_t offset) {
  return reinterpret_cast<unsigned char*>(text.data()) + offset;
}

int SizeOf(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace

absl::StatusOr<SealedBox> SealedBox::FromHex(std::string_view hex) {
  const size_t begin = hex.find_first_not_of(" \t\r\n");
  const size_t end = hex.find_last_not_of(" \t\r\n");
  if (begin != std::string_view::npos) hex = hex.substr(begin, end + 1 - begin);
  std::string key(kKeyBytes, '\0');
  if (!DecodeHex(hex, {reinterpret_cast<uint8_t*>(key.data()), key.size()})) {
    return absl::InvalidArgumentError("the key must be 64 hex digits");
  }
  return SealedBox(std::move(key));
}

std::string SealedBox::Seal(std::string_view secret, std::string_view label) const {
  std::string sealed(kNonceBytes + secret.size() + kTagBytes, '\0');
  HP_CHECK(RAND_bytes(WritableBytes(sealed, 0), kNonceBytes) == 1);
  const CipherContext context(EVP_CIPHER_CTX_new());
  int size = 0;
  HP_CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, UnsignedBytes(key_),
                              UnsignedBytes(sealed)) == 1 &&
           EVP_EncryptUpdate(context.get(), nullptr, &size, UnsignedBytes(label), SizeOf(label)) ==
               1 &&
           EVP_EncryptUpdate(context.get(), WritableBytes(sealed, kNonceBytes), &size,
                             UnsignedBytes(secret), SizeOf(secret)) == 1 &&
           EVP_EncryptFinal_ex(context.get(), nullptr, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                               WritableBytes(sealed, kNonceBytes + secret.size())) == 1);
  return sealed;
}

std::optional<std::string> SealedBox::Open(std::string_view sealed, std::string_view label) const {
  const ErrorQueueGuard guard;
  if (sealed.size() < kNonceBytes + kTagBytes) return std::nullopt;
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string secret(body.size() + 1, '\0');  // never empty: OpenSSL wants somewhere to write
  const CipherContext context(EVP_CIPHER_CTX_new());
  int size = 0;
  if (EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, UnsignedBytes(key_),
                         UnsignedBytes(sealed)) != 1 ||
      EVP_DecryptUpdate(context.get(), nullptr, &size, UnsignedBytes(label), SizeOf(label)) != 1 ||
      EVP_DecryptUpdate(context.get(), WritableBytes(secret, 0), &size, UnsignedBytes(body),
                        SizeOf(body)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, WritableBytes(tag, 0)) !=
          1 ||
      EVP_DecryptFinal_ex(context.get(), WritableBytes(secret, body.size()), &size) != 1) {
    return std::nullopt;
  }
  secret.resize(body.size());
  return secret;
}

}  // namespace homeport::auth
