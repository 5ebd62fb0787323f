#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What a device shows to connect: user name, fleet-key password, device secret. All functions are
// thread-safe, allocate nothing unless they return a string, and compare in constant time.
namespace homeport::auth {

using Sha256Digest = std::array<uint8_t, 32>;

[[nodiscard]] Sha256Digest Sha256(std::string_view bytes);
[[nodiscard]] Sha256Digest HmacSha256(std::string_view key, std::string_view message);

// The parts of an MQTT user name "<product>/<device>", views into it. `name` is the user name
// without what follows the last '?' (metrics that SDKs add): what the password is computed over.
struct MqttUser {
  std::string_view name;
  std::string_view product;
  std::string_view device;
};

// Names of clients that hold a claim certificate, and are no devices, begin with this; no device's
// id does.
inline constexpr std::string_view kClaimPrefix = "claim:";
// Whether a client may call itself so: a valid device id, and no claim's.
[[nodiscard]] bool IsDeviceName(std::string_view name);

// Nothing unless both parts are valid ids.
[[nodiscard]] std::optional<MqttUser> ParseMqttUser(std::string_view username);

// The password of a device of a fleet: lower-case hex of HMAC-SHA256, keyed with the product's
// fleet key, over MqttUser::name.
[[nodiscard]] std::string FleetPassword(std::string_view fleet_key, std::string_view name);
[[nodiscard]] bool VerifyFleetPassword(std::string_view fleet_key, std::string_view name,
                                       std::string_view password);

// Whether SHA-256 of `secret` is `sha256` (32 bytes, as stored). False for an empty `sha256`.
[[nodiscard]] bool VerifySecret(std::string_view secret, std::string_view sha256);

}  // namespace homeport::auth
