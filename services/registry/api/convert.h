#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <charconv>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/reason.h"

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

}  // namespace homeport::registry
