#include "libs/auth/device_token.h"

#include <algorithm>
#include <optional>

#include "libs/auth/base64url.h"
#include "libs/auth/jws.h"

namespace homeport::auth {
namespace {

bool IsFor(const json::Object& claims, const std::string& audience) {
  if (audience.empty() || JwsText(claims, "aud") == audience) return true;
  const json::Array* list = claims.FindArray("aud");
  return list != nullptr && std::any_of(list->begin(), list->end(), [&](const json::Value& one) {
           return one.IfString() != nullptr && *one.IfString() == audience;
         });
}

std::string_view CheckTimes(const json::Object& claims, const DeviceTokenRules& rules,
                            int64_t now_s) {
  const std::optional<int64_t> expires_s = claims.FindInt64("exp");
  if (!expires_s) return "token_malformed";
  if (*expires_s <= now_s - rules.clock_skew_s) return "token_expired";
  if (*expires_s - now_s > rules.life_s_max + rules.clock_skew_s) {
    return "token_life";
  }
  for (const char* name : {"nbf", "iat"}) {
    if (claims.Has(name) &&
        claims.FindInt64(name).value_or(INT64_MAX) > now_s + rules.clock_skew_s) {
      return "token_not_yet_valid";
    }
  }
  return {};
}

}  // namespace

bool LooksLikeToken(std::string_view password) {
  return password.size() <= kTokenBytesMax && password.substr(0, 2) == "ey" &&
         SplitJws(password).has_value();
}

std::string_view VerifyDeviceToken(std::string_view jwt, std::string_view device,
                                   const PublicKey& key, const DeviceTokenRules& rules,
                                   WallMs now) {
  if (jwt.size() > kTokenBytesMax) return "token_malformed";
  const std::optional<CompactJws> parts = SplitJws(jwt);
  if (!parts) return "token_malformed";
  const std::optional<json::Object> header = DecodeJwsObject(parts->header);
  const std::optional<std::string> signature = DecodeBase64Url(parts->signature);
  if (!header || !signature) return "token_malformed";
  // Extensions that a verifier must understand (RFC 7515, 4.1.11): none is known here.
  if (JwsText(*header, "alg") != key.algorithm() || header->Has("crit")) {
    return "token_algorithm";
  }
  if (!key.Verify(parts->signed_part, *signature)) return "token_signature";
  const std::optional<json::Object> claims = DecodeJwsObject(parts->claims);
  if (!claims) return "token_malformed";
  if (JwsText(*claims, "sub") != device) return "token_device";
  if (!IsFor(*claims, rules.audience)) return "token_audience";
  return CheckTimes(*claims, rules, now.value / 1000);
}

}  // namespace homeport::auth
