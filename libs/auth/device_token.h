#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/auth/public_key.h"
#include "libs/base/clock.h"

// The JWT that a device may give as its MQTT password, signed with a key registered for it: claims
// `exp` (required), `sub` = the device id (required), `iat`, `nbf`, `aud`.
namespace homeport::auth {

struct DeviceTokenRules {
  std::string audience = {};    // empty: `aud` is not looked at
  int64_t clock_skew_s = 300;   // how far the device's clock may be off, either way
  int64_t life_s_max = 86'400;  // `exp` no further ahead than this, besides the skew
};

// Whether a password is meant to be a token: cheap, and true of no secret of ours.
[[nodiscard]] bool LooksLikeToken(std::string_view password);

// What is wrong with the token, one word of a fixed set (token_signature, token_expired, …); empty
// when `key` signed it and its claims hold at `now`. Pure.
[[nodiscard]] std::string_view VerifyDeviceToken(std::string_view jwt, std::string_view device,
                                                 const PublicKey& key,
                                                 const DeviceTokenRules& rules, WallMs now);

}  // namespace homeport::auth
