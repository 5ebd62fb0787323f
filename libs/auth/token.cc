#include "libs/auth/token.h"

#include <cjose/cjose.h>
#include <jansson.h>

#include <algorithm>

#include "libs/base/ids.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

struct ReleaseJson {
  void operator()(json_t* json) const { json_decref(json); }
};
struct ReleaseJws {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};
struct ReleaseJwk {
  void operator()(cjose_jwk_t* jwk) const { cjose_jwk_release(jwk); }
};
using Json = std::unique_ptr<json_t, ReleaseJson>;
using Jws = std::unique_ptr<cjose_jws_t, ReleaseJws>;
using Jwk = std::unique_ptr<cjose_jwk_t, ReleaseJwk>;

constexpr size_t kRsaBitsMin = 2048;
constexpr size_t kP256Bits = 256;

absl::Status Invalid(std::string_view why) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID",
                         fmt::format("token refused: {}", why));
}

// The string member `name` of an object; empty where it is missing or no string.
std::string_view Text(const json_t* object, const char* name) {
  const json_t* value = json_object_get(object, name);
  if (!json_is_string(value)) return {};
  return {json_string_value(value), json_string_length(value)};
}

std::string_view HeaderText(cjose_header_t* header, const char* name) {
  cjose_err error;
  const char* value = cjose_header_get(header, name, &error);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// Base64url text, each of the three parts without padding. Checked here because a signature is
// computed over the text, and lenient decoding would give one token several spellings.
bool HasCompactForm(std::string_view jwt) {
  int dots = 0;
  char last = '.';
  for (const char c : jwt) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (c == '.') {
      if (last == '.') return false;
      ++dots;
    } else if (!letter) {
      return false;
    }
    last = c;
  }
  return dots == 2 && last != '.';
}

bool KeyFits(const json_t* jwk_json, cjose_jwk_t* jwk) {
  cjose_err error;
  const size_t bits = cjose_jwk_get_keysize(jwk, &error);
  switch (cjose_jwk_get_kty(jwk, &error)) {
    case CJOSE_JWK_KTY_EC:
      return Text(jwk_json, "crv") == "P-256" && bits == kP256Bits;
    case CJOSE_JWK_KTY_RSA:
      return bits >= kRsaBitsMin;
    default:
      return false;
  }
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

// The public keys of a JWKS.
struct TokenVerifier::Keys {
  struct Key {
    std::string id;
    std::string_view algorithm;  // the only one it verifies
    Jwk jwk;
  };
  std::vector<Key> keys;

  // Adds the key of one JWK; skips kinds of keys that verify neither ES256 nor RS256.
  void Add(json_t* json) {
    const std::string_view use = Text(json, "use");
    if (!use.empty() && use != "sig") return;
    cjose_err error;
    Jwk jwk(cjose_jwk_import_json(json, &error));
    if (jwk == nullptr || !KeyFits(json, jwk.get())) return;
    const bool is_ec = cjose_jwk_get_kty(jwk.get(), &error) == CJOSE_JWK_KTY_EC;
    const std::string_view algorithm = is_ec ? "ES256" : "RS256";
    const std::string_view declared = Text(json, "alg");
    if (!declared.empty() && declared != algorithm) return;
    keys.push_back({std::string(Text(json, "kid")), algorithm, std::move(jwk)});
  }

  bool SignatureHolds(cjose_jws_t* jws, std::string_view algorithm, std::string_view kid) const {
    return std::any_of(keys.begin(), keys.end(), [&](const Key& key) {
      cjose_err error;
      return key.algorithm == algorithm && (kid.empty() || kid == key.id) &&
             cjose_jws_verify(jws, key.jwk.get(), &error);
    });
  }
};

bool Claims::HasScope(std::string_view scope) const {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

TokenVerifier::TokenVerifier(TokenRules rules, std::unique_ptr<const Keys> keys)
    : rules_(std::move(rules)), keys_(std::move(keys)) {}
TokenVerifier::~TokenVerifier() = default;

absl::StatusOr<std::unique_ptr<TokenVerifier>> TokenVerifier::FromJwks(std::string_view jwks,
                                                                       TokenRules rules) {
  json_error_t error;
  const Json root(json_loadb(jwks.data(), jwks.size(), JSON_REJECT_DUPLICATES, &error));
  json_t* list = json_object_get(root.get(), "keys");
  if (!json_is_array(list)) return absl::InvalidArgumentError("not a JWKS: no array \"keys\"");
  auto keys = std::make_unique<Keys>();
  for (size_t i = 0; i < json_array_size(list); ++i) keys->Add(json_array_get(list, i));
  if (keys->keys.empty()) {
    return absl::InvalidArgumentError("the JWKS holds no P-256 or RSA (2048 bits or more) key");
  }
  return std::unique_ptr<TokenVerifier>(new TokenVerifier(std::move(rules), std::move(keys)));
}

absl::StatusOr<Claims> TokenVerifier::Verify(std::string_view jwt, WallMs now) const {
  if (jwt.size() > kTokenBytesMax) return Invalid("too long");
  if (!HasCompactForm(jwt)) return Invalid("not a signed JWT");
  cjose_err error;
  const Jws jws(cjose_jws_import(jwt.data(), jwt.size(), &error));
  if (jws == nullptr) return Invalid("malformed");
  cjose_header_t* header = cjose_jws_get_protected(jws.get());
  const std::string_view algorithm = HeaderText(header, "alg");
  if (algorithm != "ES256" && algorithm != "RS256") return Invalid("algorithm not accepted");
  // Extensions that a verifier must understand (RFC 7515, 4.1.11): none is known here.
  if (json_object_get(header, "crit") != nullptr) {
    return Invalid("critical header not understood");
  }
  if (!keys_->SignatureHolds(jws.get(), algorithm, HeaderText(header, "kid"))) {
    return Invalid("signature does not hold for any known key");
  }
  uint8_t* payload = nullptr;
  size_t payload_bytes = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &payload, &payload_bytes, &error)) {
    return Invalid("malformed");
  }
  return Accept({reinterpret_cast<const char*>(payload), payload_bytes}, now);
}

absl::StatusOr<Claims> TokenVerifier::Accept(std::string_view payload, WallMs now) const {
  json_error_t error;
  const Json json(json_loadb(payload.data(), payload.size(), JSON_REJECT_DUPLICATES, &error));
  if (!json_is_object(json.get())) return Invalid("claims are not a JSON object");
  const json_t* expires = json_object_get(json.get(), "exp");
  if (!json_is_integer(expires)) return Invalid("no integer claim exp");
  if (Text(json.get(), "iss") != rules_.issuer) return Invalid("other issuer");
  Claims claims;
  claims.subject = Text(json.get(), "sub");
  claims.tenant = Text(json.get(), "tenant");
  claims.scopes = SplitScopes(Text(json.get(), "scope"));
  claims.expires_s = json_integer_value(expires);
  if (claims.subject.empty()) return Invalid("no claim sub");
  if (!IsValidTenantId(claims.tenant)) return Invalid("no valid claim tenant");
  const int64_t now_s = now.value / 1000;
  const json_t* not_before = json_object_get(json.get(), "nbf");
  if (not_before != nullptr && (!json_is_integer(not_before) ||
                                json_integer_value(not_before) > now_s + rules_.clock_skew_s)) {
    return Invalid("not valid yet");
  }
  if (claims.expires_s <= now_s - rules_.clock_skew_s) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_EXPIRED", "token expired");
  }
  return claims;
}

}  // namespace homeport::auth
