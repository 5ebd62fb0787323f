#pragma once

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

// Owners of OpenSSL's objects, for the sources of this library.
namespace homeport::auth {

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
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Release<EVP_CIPHER_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Release<BN_free>>;
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Release<X509_free>>;
using X509ReqPtr = std::unique_ptr<X509_REQ, Release<X509_REQ_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, Release<X509_CRL_free>>;

[[nodiscard]] inline const unsigned char* UnsignedBytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A BIO that reads `text`, which must outlive it.
[[nodiscard]] inline Bio ReaderOf(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// For PEM that claims to be encrypted: without this OpenSSL would ask whoever sits at the terminal.
inline int NoPassphrase(char* /*out*/, int /*size*/, int /*for_writing*/, void* /*context*/) {
  return -1;
}

// What was written to a memory BIO.
[[nodiscard]] inline std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

// DER of an object by its i2d function; empty when that fails.
template <auto Encode, typename T>
[[nodiscard]] std::string DerOf(T* object) {
  unsigned char* der = nullptr;
  const int size = Encode(object, &der);
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

}  // namespace homeport::auth
