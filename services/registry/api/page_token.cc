#include "services/registry/api/page_token.h"

#include <charconv>

#include "absl/strings/escaping.h"
#include "homeport/internal/v1/cursor.pb.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"

namespace homeport::registry {
namespace {

constexpr size_t kFingerprintBytes = 8;
constexpr size_t kTokenBytesMax = 8192;

std::string Fingerprint(std::string_view list) {
  const auth::Sha256Digest digest = auth::Sha256(list);
  return {digest.begin(), digest.begin() + kFingerprintBytes};
}

absl::Status Invalid() {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
                         "page_token: not one of ours, or of a list with another parent, filter "
                         "or order");
}

}  // namespace

std::string MakePageToken(std::string_view list, const std::vector<std::string>& keys) {
  internal::v1::Cursor cursor;
  cursor.set_list(Fingerprint(list));
  for (const std::string& key : keys) cursor.add_keys(key);
  return absl::WebSafeBase64Escape(cursor.SerializeAsString());
}

absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view token,
                                                       std::string_view list, size_t keys) {
  if (token.empty()) return std::vector<std::string>();
  std::string bytes;
  internal::v1::Cursor cursor;
  const bool readable =
      token.size() <= kTokenBytesMax &&
      absl::WebSafeBase64Unescape(absl::string_view(token.data(), token.size()), &bytes) &&
      cursor.ParseFromString(bytes);
  if (!readable || cursor.list() != Fingerprint(list) ||
      static_cast<size_t>(cursor.keys_size()) != keys) {
    return Invalid();
  }
  for (const std::string& key : cursor.keys()) {
    if (key.find('\0') != std::string::npos) return Invalid();
  }
  return std::vector<std::string>(cursor.keys().begin(), cursor.keys().end());
}

absl::StatusOr<int64_t> ReadNumberKey(const std::string& key) {
  int64_t number = 0;
  const char* const end = key.data() + key.size();
  const auto [last, error] = std::from_chars(key.data(), end, number);
  if (error != std::errc() || last != end) return Invalid();
  return number;
}

}  // namespace homeport::registry
