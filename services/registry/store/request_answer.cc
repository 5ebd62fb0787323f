#include "services/registry/store/request_answer.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

#include "libs/auth/credentials.h"
#include "libs/base/check.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/request_id.h"

namespace homeport::registry {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Statement;

constexpr Statement kFind{"request_answer_find",
                          "SELECT fingerprint, answer FROM request_answer WHERE key = $1::bytea"};
constexpr Statement kStore{"request_answer_store",
                           "INSERT INTO request_answer (key, fingerprint, answer) "
                           "VALUES ($1::bytea, $2::bytea, $3::bytea)"};

constexpr int kNonceBytes = 12;
constexpr int kTagBytes = 16;

std::string Text(const auth::Sha256Digest& digest) { return {digest.begin(), digest.end()}; }

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// AES-256-GCM: nonce, ciphertext, tag.
std::string Encrypt(const std::string& key, std::string_view plain) {
  std::string out(kNonceBytes + plain.size() + kTagBytes, '\0');
  HP_CHECK(RAND_bytes(Bytes(out), kNonceBytes) == 1);
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  HP_CHECK(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key), Bytes(out)) ==
           1);
  HP_CHECK(EVP_EncryptUpdate(context.get(), Bytes(out) + kNonceBytes, &written, Bytes(plain),
                             static_cast<int>(plain.size())) == 1);
  HP_CHECK(EVP_EncryptFinal_ex(context.get(), Bytes(out) + kNonceBytes + written, &written) == 1);
  HP_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                               Bytes(out) + kNonceBytes + plain.size()) == 1);
  return out;
}

absl::StatusOr<std::string> Decrypt(const std::string& key, std::string stored) {
  const auto damaged = [] { return absl::DataLossError("a stored answer is damaged"); };
  if (stored.size() < kNonceBytes + kTagBytes) return damaged();
  std::string out(stored.size() - kNonceBytes - kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  unsigned char* const cipher = Bytes(stored) + kNonceBytes;
  const bool good = EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key),
                                       Bytes(stored)) == 1 &&
                    EVP_DecryptUpdate(context.get(), Bytes(out), &written, cipher,
                                      static_cast<int>(out.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes,
                                        cipher + out.size()) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), Bytes(out) + written, &written) == 1;
  if (!good) return damaged();
  return out;
}

}  // namespace

absl::StatusOr<RequestKey> MakeRequestKey(const Actor& actor, std::string_view request_id,
                                          std::string_view method, std::string_view request) {
  if (!rpc::IsUuid(request_id)) return FieldInvalid("request_id", "must be a UUID");
  const std::string sender = fmt::format("{}\n{}", actor.tenant, actor.subject);
  RequestKey key;
  key.key = Text(auth::HmacSha256(request_id, "key\n" + sender));
  key.cipher_key = Text(auth::HmacSha256(request_id, "cipher\n" + sender));
  key.fingerprint = Text(auth::HmacSha256(request_id, fmt::format("{}\n{}", method, request)));
  return key;
}

absl::StatusOr<std::optional<std::string>> FindAnswer(postgres::Connection& connection,
                                                      const RequestKey& key) {
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kFind, Params().Bytes(key.key)));
  if (rows.empty()) return std::nullopt;
  if (rows.Bytes(0, 0) != key.fingerprint) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                           "request_id: another request had it");
  }
  HP_ASSIGN_OR_RETURN(std::string answer, Decrypt(key.cipher_key, rows.Bytes(0, 1)));
  return answer;
}

absl::Status StoreAnswer(postgres::Transaction& transaction, const RequestKey& key,
                         std::string_view answer) {
  return transaction
      .Execute(
          kStore,
          Params().Bytes(key.key).Bytes(key.fingerprint).Bytes(Encrypt(key.cipher_key, answer)))
      .status();
}

}  // namespace homeport::registry
