#include "libs/auth/public_key.h"

#include "libs/auth/openssl_types.h"

namespace homeport::auth {
namespace {

constexpr std::string_view kEs256 = "ES256";
constexpr std::string_view kRs256 = "RS256";
constexpr std::string_view kEdDsa = "EdDSA";
constexpr size_t kP256Bytes = 32;
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;

using Signature = std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>>;

Number ToNumber(std::string_view bytes) {
  return Number(BN_bin2bn(UnsignedBytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

// The form OpenSSL takes: JWS has the two numbers of an ECDSA signature side by side. Empty where
// the length is wrong.
std::string DerFromRaw(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  const Signature signature(ECDSA_SIG_new());
  // The signature takes both numbers over.
  ECDSA_SIG_set0(signature.get(), ToNumber(raw.substr(0, kP256Bytes)).release(),
                 ToNumber(raw.substr(kP256Bytes)).release());
  return DerOf<i2d_ECDSA_SIG>(signature.get());
}

std::string_view AlgorithmOf(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC: {
      char group[64] = "";
      size_t size = 0;
      EVP_PKEY_get_group_name(key, group, sizeof group, &size);
      return std::string_view(group, size) == "prime256v1" ? kEs256 : std::string_view();
    }
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_get_bits(key);
      return bits >= kRsaBitsMin && bits <= kRsaBitsMax ? kRs256 : std::string_view();
    }
    case EVP_PKEY_ED25519:
      return kEdDsa;
    default:
      return {};
  }
}

}  // namespace

absl::StatusOr<PublicKey> PublicKey::Take(EVP_PKEY* key) {
  const ErrorQueueGuard guard;
  std::shared_ptr<EVP_PKEY> owned(key, [](EVP_PKEY* k) { EVP_PKEY_free(k); });
  if (key == nullptr) return absl::InvalidArgumentError("not a public key");
  const std::string_view algorithm = AlgorithmOf(key);
  if (algorithm.empty()) {
    return absl::InvalidArgumentError("a key is P-256, RSA of 2,048 to 8,192 bits, or Ed25519");
  }
  return PublicKey(std::move(owned), algorithm);
}

absl::StatusOr<PublicKey> PublicKey::FromPem(std::string_view pem) {
  const ErrorQueueGuard guard;
  return Take(PEM_read_bio_PUBKEY(ReaderOf(pem).get(), nullptr, NoPassphrase, nullptr));
}

absl::StatusOr<PublicKey> PublicKey::FromDer(std::string_view der) {
  const ErrorQueueGuard guard;
  const unsigned char* at = UnsignedBytes(der);
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size()));
  return Take(key);
}

std::string PublicKey::ToDer() const { return DerOf<i2d_PUBKEY>(key_.get()); }

std::string PublicKey::ToPem() const {
  const Bio out(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(out.get(), key_.get());
  return TextOf(out.get());
}

bool PublicKey::Verify(std::string_view text, std::string_view signature) const {
  const ErrorQueueGuard guard;
  const std::string form = algorithm_ == kEs256 ? DerFromRaw(signature) : std::string(signature);
  const EVP_MD* digest = algorithm_ == kEdDsa ? nullptr : EVP_sha256();
  const DigestContext context(EVP_MD_CTX_new());
  return !form.empty() &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), UnsignedBytes(form), form.size(), UnsignedBytes(text),
                          text.size()) == 1;
}

}  // namespace homeport::auth
