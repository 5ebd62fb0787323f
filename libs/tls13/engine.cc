#include "libs/tls13/engine.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/tls13/record_layer.h"

namespace homeport::tls13 {
namespace {

constexpr std::array<const char*, kSuites> kCipherNames = {"AES-128-GCM", "AES-256-GCM",
                                                           "ChaCha20-Poly1305"};
constexpr std::array<uint8_t, kSecretBytesMax> kNoKey = {};

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

absl::Status Missing(const char* algorithm) {
  return absl::FailedPreconditionError(fmt::format("OpenSSL has no {}", algorithm));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Make(const Options& options) {
  std::unique_ptr<Engine> engine(new Engine(options.records_per_key_max));
  HP_RETURN_IF_ERROR(engine->FetchCiphers(options.library));
  HP_RETURN_IF_ERROR(engine->FetchMacs(options.library));
  engine->out_.resize(RecordLayer::kSealedBytesMax);
  return engine;
}

absl::Status Engine::FetchCiphers(OSSL_LIB_CTX* library) {
  for (size_t i = 0; i < kSuites; ++i) {
    EVP_CIPHER* cipher = EVP_CIPHER_fetch(library, kCipherNames[i], nullptr);
    if (cipher == nullptr) return Missing(kCipherNames[i]);
    Contexts& contexts = ciphers_[i];
    contexts.seal.reset(EVP_CIPHER_CTX_new());
    contexts.open.reset(EVP_CIPHER_CTX_new());
    const bool ready =
        EVP_EncryptInit_ex2(contexts.seal.get(), cipher, kNoKey.data(), nullptr, nullptr) == 1 &&
        EVP_DecryptInit_ex2(contexts.open.get(), cipher, kNoKey.data(), nullptr, nullptr) == 1;
    EVP_CIPHER_free(cipher);  // the contexts keep it
    if (!ready) return Missing(kCipherNames[i]);
  }
  return absl::OkStatus();
}

absl::Status Engine::FetchMacs(OSSL_LIB_CTX* library) {
  EVP_MAC* hmac = EVP_MAC_fetch(library, "HMAC", nullptr);
  if (hmac == nullptr) return Missing("HMAC");
  sha256_.reset(EVP_MAC_CTX_new(hmac));
  sha384_.reset(EVP_MAC_CTX_new(hmac));
  EVP_MAC_free(hmac);
  const auto set_digest = [](EVP_MAC_CTX* context, const char* name) {
    std::string digest = name;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(context, params) == 1;
  };
  if (!set_digest(sha256_.get(), "SHA256")) return Missing("SHA256");
  if (!set_digest(sha384_.get(), "SHA384")) return Missing("SHA384");
  return absl::OkStatus();
}

// One block of HKDF-Expand (RFC 5869): HMAC(secret, HkdfLabel || 0x01), cut to the length wanted.
bool Engine::ExpandLabel(Suite suite, std::span<const uint8_t> secret, std::string_view label,
                         std::span<uint8_t> out) {
  constexpr std::string_view kPrefix = "tls13 ";
  HP_CHECK(out.size() <= SecretBytes(suite));
  std::array<uint8_t, 32> info;
  HP_CHECK(kPrefix.size() + label.size() + 5 <= info.size());
  auto end = info.begin();
  *end++ = 0;
  *end++ = static_cast<uint8_t>(out.size());
  *end++ = static_cast<uint8_t>(kPrefix.size() + label.size());
  end = std::copy(kPrefix.begin(), kPrefix.end(), end);
  end = std::copy(label.begin(), label.end(), end);
  *end++ = 0;  // no context
  *end++ = 1;  // the first block
  EVP_MAC_CTX* mac = MacOf(suite);
  std::array<uint8_t, kSecretBytesMax> block;
  size_t size = 0;
  const bool done =
      EVP_MAC_init(mac, secret.data(), secret.size(), nullptr) == 1 &&
      EVP_MAC_update(mac, info.data(), static_cast<size_t>(end - info.begin())) == 1 &&
      EVP_MAC_final(mac, block.data(), &size, block.size()) == 1 && size == SecretBytes(suite);
  if (done) std::copy_n(block.begin(), out.size(), out.begin());
  OPENSSL_cleanse(block.data(), block.size());
  return done;
}

bool Engine::SetKey(Use use, Suite suite, const uint8_t* key) {
  Contexts& contexts = CiphersOf(suite);
  contexts.keyed = true;
  if (use == Use::kSeal) {
    return EVP_EncryptInit_ex2(contexts.seal.get(), nullptr, key, nullptr, nullptr) == 1;
  }
  return EVP_DecryptInit_ex2(contexts.open.get(), nullptr, key, nullptr, nullptr) == 1;
}

bool Engine::Seal(Suite suite, const uint8_t* nonce, std::span<const uint8_t> aad,
                  std::string_view text, uint8_t type, uint8_t* out) {
  EVP_CIPHER_CTX* cipher = CiphersOf(suite).seal.get();
  int size = 0;
  uint8_t* end = out + text.size();
  return EVP_EncryptInit_ex2(cipher, nullptr, nullptr, nonce, nullptr) == 1 &&
         EVP_EncryptUpdate(cipher, nullptr, &size, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_EncryptUpdate(cipher, out, &size, Bytes(text), static_cast<int>(text.size())) == 1 &&
         EVP_EncryptUpdate(cipher, end, &size, &type, 1) == 1 &&
         EVP_EncryptFinal_ex(cipher, end + 1, &size) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagBytes, end + 1) == 1;
}

bool Engine::Open(Suite suite, const uint8_t* nonce, std::span<const uint8_t> aad,
                  std::span<uint8_t> bytes) {
  EVP_CIPHER_CTX* cipher = CiphersOf(suite).open.get();
  const size_t text_bytes = bytes.size() - kTagBytes;
  uint8_t* text = bytes.data();
  int size = 0;
  return EVP_DecryptInit_ex2(cipher, nullptr, nullptr, nonce, nullptr) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagBytes, text + text_bytes) == 1 &&
         EVP_DecryptUpdate(cipher, nullptr, &size, aad.data(), static_cast<int>(aad.size())) == 1 &&
         EVP_DecryptUpdate(cipher, text, &size, text, static_cast<int>(text_bytes)) == 1 &&
         EVP_DecryptFinal_ex(cipher, text + text_bytes, &size) == 1;
}

void Engine::Forget() {
  for (size_t i = 0; i < kSuites; ++i) {
    if (!ciphers_[i].keyed) continue;
    HP_CHECK(SetKey(Use::kSeal, static_cast<Suite>(i), kNoKey.data()));
    HP_CHECK(SetKey(Use::kOpen, static_cast<Suite>(i), kNoKey.data()));
    ciphers_[i].keyed = false;
  }
  for (EVP_MAC_CTX* mac : {sha256_.get(), sha384_.get()}) {
    HP_CHECK(EVP_MAC_init(mac, kNoKey.data(), kNoKey.size(), nullptr) == 1);
  }
}

}  // namespace homeport::tls13
