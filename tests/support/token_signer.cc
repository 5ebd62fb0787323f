#include "tests/support/token_signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::testing {
namespace {

constexpr int kRsaBits = 2048;
constexpr int kP256Bytes = 32;

unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// ECDSA signatures are r and s side by side in a JWT, DER in OpenSSL.
std::string RawFromDer(std::string_view der) {
  const unsigned char* at = Bytes(der);
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  HP_CHECK(signature != nullptr);
  std::string raw(2 * kP256Bytes, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), Bytes(raw), kP256Bytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), Bytes(raw) + kP256Bytes, kP256Bytes);
  ECDSA_SIG_free(signature);
  return raw;
}

}  // namespace

std::string Base64Url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(Bytes(text), Bytes(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  while (!text.empty() && text.back() == '=') text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

TokenSigner TokenSigner::Es256(std::string kid) {
  return {EVP_EC_gen("P-256"), std::move(kid), "ES256"};
}

TokenSigner TokenSigner::Rs256(std::string kid) {
  return {EVP_RSA_gen(kRsaBits), std::move(kid), "RS256"};
}

TokenSigner TokenSigner::Ed25519(std::string kid) {
  return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), std::move(kid), "EdDSA"};
}

std::string TokenSigner::PublicPem() const {
  BIO* out = BIO_new(BIO_s_mem());
  HP_CHECK(PEM_write_bio_PUBKEY(out, key_.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string pem(data, static_cast<size_t>(size));
  BIO_free(out);
  return pem;
}

std::string TokenSigner::Number(const char* parameter, size_t bytes) const {
  BIGNUM* number = nullptr;
  HP_CHECK(EVP_PKEY_get_bn_param(key_.get(), parameter, &number) == 1);
  if (bytes == 0) bytes = static_cast<size_t>(BN_num_bytes(number));
  std::string text(bytes, '\0');
  BN_bn2binpad(number, Bytes(text), static_cast<int>(bytes));
  BN_free(number);
  return Base64Url(text);
}

std::string TokenSigner::Jwk() const {
  if (is_ec_) {
    return fmt::format(R"({{"kty":"EC","crv":"P-256","kid":"{}","x":"{}","y":"{}"}})", kid_,
                       Number(OSSL_PKEY_PARAM_EC_PUB_X, kP256Bytes),
                       Number(OSSL_PKEY_PARAM_EC_PUB_Y, kP256Bytes));
  }
  return fmt::format(R"({{"kty":"RSA","use":"sig","kid":"{}","n":"{}","e":"{}"}})", kid_,
                     Number(OSSL_PKEY_PARAM_RSA_N, 0), Number(OSSL_PKEY_PARAM_RSA_E, 0));
}

std::string TokenSigner::Signature(std::string_view text) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  HP_CHECK(EVP_DigestSignInit(context, nullptr, algorithm_ == "EdDSA" ? nullptr : EVP_sha256(),
                              nullptr, key_.get()) == 1);
  size_t size = 0;
  HP_CHECK(EVP_DigestSign(context, nullptr, &size, Bytes(text), text.size()) == 1);
  std::string signature(size, '\0');
  HP_CHECK(EVP_DigestSign(context, Bytes(signature), &size, Bytes(text), text.size()) == 1);
  EVP_MD_CTX_free(context);
  signature.resize(size);
  return is_ec_ ? RawFromDer(signature) : signature;
}

std::string TokenSigner::Sign(std::string_view claims_json) const {
  return SignWithHeader(fmt::format(R"({{"alg":"{}","kid":"{}"}})", algorithm_, kid_), claims_json);
}

std::string TokenSigner::SignWithHeader(std::string_view header_json,
                                        std::string_view claims_json) const {
  const std::string text = Base64Url(header_json) + "." + Base64Url(claims_json);
  return text + "." + Base64Url(Signature(text));
}

std::string JwksOf(const std::vector<const TokenSigner*>& signers) {
  std::string keys;
  for (const TokenSigner* signer : signers) {
    if (!keys.empty()) keys += ',';
    keys += signer->Jwk();
  }
  return fmt::format(R"({{"keys":[{}]}})", keys);
}

std::string ToJson(const TestClaims& claims) {
  return fmt::format(R"({{"iss":"{}","sub":"{}","tenant":"{}","scope":"{}","exp":{}}})",
                     claims.issuer, claims.subject, claims.tenant, claims.scope, claims.expires_s);
}

}  // namespace homeport::testing
