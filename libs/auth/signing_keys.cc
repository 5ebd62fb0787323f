#include "libs/auth/signing_keys.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <optional>

#include "libs/auth/base64url.h"
#include "libs/auth/openssl_types.h"
#include "libs/auth/public_key.h"
#include "libs/base/status.h"
#include "libs/json/parse.h"

namespace homeport::auth {
namespace {

constexpr size_t kP256Bytes = 32;
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr json::ParseLimits kJwksLimits{.depth_max = 8, .bytes_max = 1 << 20, .nodes_max = 10'000};

using Builder = std::unique_ptr<OSSL_PARAM_BLD, Release<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Release<OSSL_PARAM_free>>;

Number ToNumber(std::string_view bytes) {
  return Number(BN_bin2bn(UnsignedBytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

// A decoded member of a JWK; empty where it is missing or malformed.
std::string Decoded(const json::Object& jwk, std::string_view name) {
  const std::string* text = jwk.FindString(name);
  return text == nullptr ? std::string() : DecodeBase64Url(*text).value_or("");
}

Pkey MakeKey(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return Pkey(key);
}

Pkey ImportEc(const json::Object& jwk) {
  const std::string* curve = jwk.FindString("crv");
  const std::string x = Decoded(jwk, "x");
  const std::string y = Decoded(jwk, "y");
  if (curve == nullptr || *curve != "P-256" || x.size() != kP256Bytes || y.size() != kP256Bytes) {
    return nullptr;
  }
  const std::string point = "\x04" + x + y;  // uncompressed form (SEC 1, 2.3.3)
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return MakeKey("EC", builder.get());
}

Pkey ImportRsa(const json::Object& jwk) {
  const Number modulus = ToNumber(Decoded(jwk, "n"));
  const Number exponent = ToNumber(Decoded(jwk, "e"));
  const int bits = BN_num_bits(modulus.get());
  if (bits < kRsaBitsMin || bits > kRsaBitsMax || !BN_is_odd(exponent.get()) ||
      BN_is_one(exponent.get())) {
    return nullptr;
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return MakeKey("RSA", builder.get());
}

}  // namespace

struct SigningKeys::Key {
  std::string id;
  PublicKey key;

  // Nothing unless the JWK can verify signatures.
  static std::optional<Key> Import(const json::Object& jwk) {
    const auto is = [&jwk](std::string_view name, std::string_view value) {
      const std::string* text = jwk.FindString(name);
      return text != nullptr && *text == value;
    };
    Pkey made;
    if (is("kty", "EC")) made = ImportEc(jwk);
    if (is("kty", "RSA")) made = ImportRsa(jwk);
    absl::StatusOr<PublicKey> key = PublicKey::Take(made.release());
    if (!key.ok() || (jwk.Has("use") && !is("use", "sig")) ||
        (jwk.Has("alg") && !is("alg", key->algorithm()))) {
      return std::nullopt;
    }
    const std::string* id = jwk.FindString("kid");
    return Key{id == nullptr ? std::string() : *id, *std::move(key)};
  }
};

SigningKeys::SigningKeys(std::vector<Key> keys) : keys_(std::move(keys)) {}
SigningKeys::~SigningKeys() = default;

absl::StatusOr<std::unique_ptr<const SigningKeys>> SigningKeys::Parse(std::string_view jwks) {
  const ErrorQueueGuard guard;
  HP_ASSIGN_OR_RETURN(const json::Value root, json::Parse(jwks, kJwksLimits));
  const json::Value* list = root.Find("keys");
  if (list == nullptr || !list->is_array()) {
    return absl::InvalidArgumentError("not a JWKS: no array \"keys\"");
  }
  std::vector<Key> keys;
  for (const json::Value& entry : *list->IfArray()) {
    if (!entry.is_object()) continue;
    std::optional<Key> key = Key::Import(*entry.IfObject());
    if (key) keys.push_back(*std::move(key));
  }
  if (keys.empty()) {
    return absl::InvalidArgumentError("the JWKS holds no P-256 or RSA (2048 bits or more) key");
  }
  return std::unique_ptr<const SigningKeys>(new SigningKeys(std::move(keys)));
}

bool SigningKeys::Verify(std::string_view algorithm, std::string_view kid, std::string_view text,
                         std::string_view signature) const {
  const ErrorQueueGuard guard;
  return std::any_of(keys_.begin(), keys_.end(), [&](const Key& key) {
    return key.key.algorithm() == algorithm && (kid.empty() || kid == key.id) &&
           key.key.Verify(text, signature);
  });
}

}  // namespace homeport::auth
