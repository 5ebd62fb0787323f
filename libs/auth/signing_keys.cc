#include "libs/auth/signing_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "libs/auth/base64url.h"
#include "libs/base/status.h"
#include "libs/json/parse.h"

namespace homeport::auth {
namespace {

constexpr size_t kP256Bytes = 32;
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;
constexpr json::ParseLimits kJwksLimits{.depth_max = 8, .bytes_max = 1 << 20, .nodes_max = 10'000};

template <auto Free>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Release<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Release<BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Release<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Release<OSSL_PARAM_free>>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number ToNumber(std::string_view bytes) {
  return Number(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
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

// The form OpenSSL takes: JWS has the two numbers of an ECDSA signature side by side. Empty where
// the length is wrong.
std::string DerFromRaw(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  const Signature signature(ECDSA_SIG_new());
  // The signature takes both numbers over.
  ECDSA_SIG_set0(signature.get(), ToNumber(raw.substr(0, kP256Bytes)).release(),
                 ToNumber(raw.substr(kP256Bytes)).release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return text;
}

// A failure leaves entries in the thread's OpenSSL error queue, where TLS code on the same thread
// would take them for its own.
struct ErrorQueueGuard {
  ErrorQueueGuard() = default;
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
  ~ErrorQueueGuard() { ERR_clear_error(); }
};

}  // namespace

struct SigningKeys::Key {
  std::string id;
  std::string_view algorithm;
  Pkey key;

  // Nothing in `key` unless the JWK can verify signatures.
  static Key Import(const json::Object& jwk) {
    const auto is = [&jwk](std::string_view name, std::string_view value) {
      const std::string* text = jwk.FindString(name);
      return text != nullptr && *text == value;
    };
    Key imported;
    if (is("kty", "EC")) {
      imported.algorithm = "ES256";
      imported.key = ImportEc(jwk);
    } else if (is("kty", "RSA")) {
      imported.algorithm = "RS256";
      imported.key = ImportRsa(jwk);
    }
    if ((jwk.Has("use") && !is("use", "sig")) ||
        (jwk.Has("alg") && !is("alg", imported.algorithm))) {
      imported.key = nullptr;
    }
    if (const std::string* id = jwk.FindString("kid")) imported.id = *id;
    return imported;
  }

  [[nodiscard]] bool Holds(std::string_view text, std::string_view signature) const {
    const std::string der = algorithm == "ES256" ? DerFromRaw(signature) : std::string(signature);
    const DigestContext context(EVP_MD_CTX_new());
    return !der.empty() &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), Bytes(der), der.size(), Bytes(text), text.size()) == 1;
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
    Key key = Key::Import(*entry.IfObject());
    if (key.key != nullptr) keys.push_back(std::move(key));
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
    return key.algorithm == algorithm && (kid.empty() || kid == key.id) &&
           key.Holds(text, signature);
  });
}

}  // namespace homeport::auth
