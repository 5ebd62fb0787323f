#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/tls13/suite.h"

namespace homeport::tls13 {

// The cryptography of all record layers of one thread: OpenSSL's, fetched once, in contexts that
// are given a key for each use and so cost a session nothing. Not thread-safe.
class Engine {
 public:
  struct Options {
    // The library context that algorithms come from; nullptr: the default one. Must outlive the
    // engine.
    OSSL_LIB_CTX* library = nullptr;
    // After this many records a sender changes its key: below the 2^24.5 that RFC 8446, 5.5, sets
    // for AES-GCM.
    uint64_t records_per_key_max = uint64_t{1} << 24;
  };
  // Errors name the algorithm that OpenSSL lacks.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Engine>> Make(const Options& options);

  // HKDF-Expand-Label with an empty context (RFC 8446, 7.1). REQUIRES: `out` is no longer than the
  // suite's hash. False: OpenSSL failed.
  [[nodiscard]] bool ExpandLabel(Suite suite, std::span<const uint8_t> secret,
                                 std::string_view label, std::span<uint8_t> out);

  enum class Use : uint8_t { kSeal, kOpen };
  // The key of the Seal or Open calls that follow.
  [[nodiscard]] bool SetKey(Use use, Suite suite, const uint8_t* key);
  // Encrypts `text` and the byte `type` behind it to `out`, followed by the tag.
  [[nodiscard]] bool Seal(Suite suite, const uint8_t* nonce, std::span<const uint8_t> aad,
                          std::string_view text, uint8_t type, uint8_t* out);
  // Decrypts `bytes` in place; its last kTagBytes are the tag. False: it is not authentic, and
  // `bytes` is spoilt. REQUIRES: bytes.size() >= kTagBytes.
  [[nodiscard]] bool Open(Suite suite, const uint8_t* nonce, std::span<const uint8_t> aad,
                          std::span<uint8_t> bytes);

  // Leaves no key in any context. Called when a session ends.
  void Forget();

  [[nodiscard]] uint64_t records_per_key_max() const { return records_per_key_max_; }
  // Room for what RecordLayer::Seal returns.
  [[nodiscard]] std::vector<char>& out() { return out_; }

 private:
  struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  struct FreeMac {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;
  using Mac = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

  struct Contexts {
    Cipher seal;
    Cipher open;
    bool keyed = false;
  };

  explicit Engine(uint64_t records_per_key_max) : records_per_key_max_(records_per_key_max) {}
  [[nodiscard]] absl::Status FetchCiphers(OSSL_LIB_CTX* library);
  [[nodiscard]] absl::Status FetchMacs(OSSL_LIB_CTX* library);
  [[nodiscard]] Contexts& CiphersOf(Suite suite) { return ciphers_[static_cast<size_t>(suite)]; }
  [[nodiscard]] EVP_MAC_CTX* MacOf(Suite suite) {
    return (suite == Suite::kAes256GcmSha384 ? sha384_ : sha256_).get();
  }

  const uint64_t records_per_key_max_;
  std::array<Contexts, kSuites> ciphers_;  // by Suite
  Mac sha256_;
  Mac sha384_;
  std::vector<char> out_;
};

}  // namespace homeport::tls13
