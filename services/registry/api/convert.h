#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"

namespace homeport::registry {

[[nodiscard]] inline google::protobuf::Timestamp ToTimestamp(int64_t unix_ms) {
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(unix_ms / 1000);
  timestamp.set_nanos(static_cast<int32_t>(unix_ms % 1000) * 1'000'000);
  return timestamp;
}

// An etag is a version; 0 for none given. ABORTED with `reason` for what no version is.
[[nodiscard]] inline absl::StatusOr<int64_t> ReadEtag(std::string_view etag,
                                                      std::string_view reason) {
  if (etag.empty()) return 0;
  int64_t version = 0;
  const char* const end = etag.data() + etag.size();
  const auto [last, error] = std::from_chars(etag.data(), end, version);
  if (error != std::errc() || last != end || version <= 0) {
    return ErrorWithReason(absl::StatusCode::kAborted, reason, "the etag is not one of ours");
  }
  return version;
}

// An etag for a row without a version: of what it holds.
[[nodiscard]] inline std::string EtagOf(std::initializer_list<std::string_view> texts) {
  std::string all;
  for (const std::string_view text : texts) all += fmt::format("{}:{}", text.size(), text);
  const auth::Sha256Digest digest = auth::Sha256(all);
  constexpr size_t kBytes = 12;
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), kBytes));
}

// ABORTED ETAG_MISMATCH where an etag is given and is not this one.
[[nodiscard]] inline absl::Status CheckEtag(std::string_view given, std::string_view etag) {
  if (given.empty() || given == etag) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                         fmt::format("it is at etag {}", etag));
}

}  // namespace homeport::registry
