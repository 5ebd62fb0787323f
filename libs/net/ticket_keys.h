#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace homeport::net {

// The keys that session tickets are sealed with (RFC 5077, 4). Pods with the same keys resume each
// other's sessions. Immutable, but for the fetched algorithms: one reactor's.
class TicketKeys {
 public:
  static constexpr size_t kSecretBytesMin = 32;
  static constexpr size_t kKeysMax = 16;

  // One secret a line, in hexadecimal: the current one first, then former ones, which still open
  // their tickets. Empty lines and those that begin with # are skipped. Errors name the line, never
  // what is in it. `library` must outlive the keys; nullptr: the default one.
  [[nodiscard]] static absl::StatusOr<TicketKeys> Parse(std::string_view text,
                                                        OSSL_LIB_CTX* library);
  // A line for Parse that nobody else has.
  [[nodiscard]] static std::string RandomLine();

  TicketKeys(TicketKeys&&) = default;
  TicketKeys& operator=(TicketKeys&&) = default;
  ~TicketKeys();

  // What SSL_CTX_set_tlsext_ticket_key_evp_cb asks for.
  [[nodiscard]] int Seal(uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  [[nodiscard]] int Open(const uint8_t* name, const uint8_t* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac);

 private:
  static constexpr size_t kNameBytes = 16;
  static constexpr size_t kKeyBytes = 32;
  struct Key {
    std::array<uint8_t, kNameBytes> name;
    std::array<uint8_t, kKeyBytes> cipher;
    std::array<uint8_t, kKeyBytes> mac;
  };
  struct FreeCipher {
    void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  };

  TicketKeys() = default;
  [[nodiscard]] static absl::StatusOr<Key> FromSecret(const std::vector<uint8_t>& secret,
                                                      OSSL_LIB_CTX* library);
  [[nodiscard]] static bool SetMac(const Key& key, EVP_MAC_CTX* mac);

  std::vector<Key> keys_;  // never empty
  std::unique_ptr<EVP_CIPHER, FreeCipher> cipher_;
};

}  // namespace homeport::net
