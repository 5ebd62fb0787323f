#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace homeport::tls13 {

// The cipher suites of TLS 1.3 that are spoken here (RFC 8446, B.4).
enum class Suite : uint8_t { kAes128GcmSha256, kAes256GcmSha384, kChaCha20Poly1305Sha256 };
inline constexpr size_t kSuites = 3;

[[nodiscard]] constexpr size_t KeyBytes(Suite suite) {
  return suite == Suite::kAes128GcmSha256 ? 16 : 32;
}
// Of a traffic secret: the size of the suite's hash.
[[nodiscard]] constexpr size_t SecretBytes(Suite suite) {
  return suite == Suite::kAes256GcmSha384 ? 48 : 32;
}
// By the suite's number in the registry, 0x1301 for the first.
[[nodiscard]] constexpr std::optional<Suite> SuiteOf(uint16_t id) {
  constexpr uint16_t kFirst = 0x1301;
  switch (id) {
    case kFirst:
      return Suite::kAes128GcmSha256;
    case kFirst + 1:
      return Suite::kAes256GcmSha384;
    case kFirst + 2:
      return Suite::kChaCha20Poly1305Sha256;
    default:
      return std::nullopt;
  }
}

inline constexpr size_t kSecretBytesMax = 48;
inline constexpr size_t kIvBytes = 12;
inline constexpr size_t kTagBytes = 16;
inline constexpr size_t kHeaderBytes = 5;
inline constexpr size_t kPlaintextBytesMax = 1 << 14;
// Of a protected record, without its header (RFC 8446, 5.2).
inline constexpr size_t kCiphertextBytesMax = kPlaintextBytesMax + 256;
inline constexpr size_t kRecordBytesMax = kHeaderBytes + kCiphertextBytesMax;

// The alerts that are sent or told apart (RFC 8446, 6).
enum class Alert : uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kIllegalParameter = 47,
  kDecodeError = 50,
  kInternalError = 80,
  kUserCanceled = 90,
};

}  // namespace homeport::tls13
