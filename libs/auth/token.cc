#include "libs/auth/token.h"

#include <algorithm>
#include <optional>

#include "libs/auth/base64url.h"
#include "libs/auth/jws.h"
#include "libs/base/ids.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

absl::Status Invalid(std::string_view why) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID",
                         fmt::format("token refused: {}", why));
}

std::vector<std::string> SplitScopes(std::string_view text) {
  std::vector<std::string> scopes;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    if (end != 0) scopes.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return scopes;
}

}  // namespace

bool Claims::HasScope(std::string_view scope) const {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

TokenVerifier::TokenVerifier(TokenRules rules, std::unique_ptr<const SigningKeys> keys)
    : rules_(std::move(rules)), keys_(std::move(keys)) {}

absl::StatusOr<std::unique_ptr<TokenVerifier>> TokenVerifier::FromJwks(std::string_view jwks,
                                                                       TokenRules rules) {
  HP_ASSIGN_OR_RETURN(std::unique_ptr<const SigningKeys> keys, SigningKeys::Parse(jwks));
  return std::unique_ptr<TokenVerifier>(new TokenVerifier(std::move(rules), std::move(keys)));
}

absl::StatusOr<Claims> TokenVerifier::Verify(std::string_view jwt, WallMs now) const {
  if (jwt.size() > kTokenBytesMax) return Invalid("too long");
  const std::optional<CompactJws> parts = SplitJws(jwt);
  if (!parts.has_value()) return Invalid("not a signed JWT");
  const std::optional<json::Object> header = DecodeJwsObject(parts->header);
  const std::optional<std::string> signature = DecodeBase64Url(parts->signature);
  if (!header.has_value() || !signature.has_value()) return Invalid("malformed");
  const std::string_view algorithm = JwsText(*header, "alg");
  if (algorithm != "ES256" && algorithm != "RS256") return Invalid("algorithm not accepted");
  // Extensions that a verifier must understand (RFC 7515, 4.1.11): none is known here.
  if (header->Has("crit")) return Invalid("critical header not understood");
  if (!keys_->Verify(algorithm, JwsText(*header, "kid"), parts->signed_part, *signature)) {
    return Invalid("signature does not hold for any known key");
  }
  const std::optional<json::Object> claims = DecodeJwsObject(parts->claims);
  if (!claims.has_value()) return Invalid("claims are not a JSON object");
  return Accept(*claims, now.value / 1000);
}

absl::StatusOr<Claims> TokenVerifier::Accept(const json::Object& object, int64_t now_s) const {
  const std::optional<int64_t> expires_s = object.FindInt64("exp");
  if (!expires_s.has_value()) return Invalid("no integer claim exp");
  if (JwsText(object, "iss") != rules_.issuer) return Invalid("other issuer");
  Claims claims;
  claims.subject = JwsText(object, "sub");
  claims.tenant = JwsText(object, "tenant");
  claims.scopes = SplitScopes(JwsText(object, "scope"));
  claims.expires_s = *expires_s;
  if (claims.subject.empty()) return Invalid("no claim sub");
  if (!IsValidTenantId(claims.tenant)) return Invalid("no valid claim tenant");
  if (object.Has("nbf") &&
      object.FindInt64("nbf").value_or(INT64_MAX) > now_s + rules_.clock_skew_s) {
    return Invalid("not valid yet");
  }
  if (claims.expires_s <= now_s - rules_.clock_skew_s) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED", "token expired");
  }
  return claims;
}

}  // namespace homeport::auth
