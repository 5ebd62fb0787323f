#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace homeport::shadow {

// Limits of one shadow. The refusals they cause: 413 and 400 (see Rejected below).
struct Limits {
  size_t bytes_max = 64 * 1024;  // desired + reported of the resulting document, as compact JSON
  int depth_max = 8;             // levels of keys (or array elements) inside a section
  size_t request_bytes_max = 256 * 1024;  // the text of one request
};

inline constexpr size_t kClientTokenBytesMax = 64;

// A refused request, as the device reads it in `.../rejected` (HTTP-like codes of AWS IoT).
struct Rejected {
  int code = 0;
  std::string message;
  friend bool operator==(const Rejected&, const Rejected&) = default;
};

// The texts of the table in AWS IoT shadows, "Validation, limits".
[[nodiscard]] Rejected InvalidJson();           // 400
[[nodiscard]] Rejected NotUtf8();               // 415
[[nodiscard]] Rejected TooDeep(int depth_max);  // 400
[[nodiscard]] Rejected TooLarge();              // 413
[[nodiscard]] Rejected InvalidVersion();        // 400
[[nodiscard]] Rejected InvalidClientToken();    // 400
[[nodiscard]] Rejected InvalidShadowName();     // 400
[[nodiscard]] Rejected VersionConflict();       // 409
[[nodiscard]] Rejected TooManyRequests();       // 429
// `name` is the shadow's name, or the thing's name for the classic shadow.
[[nodiscard]] Rejected NoShadow(std::string_view name);  // 404

}  // namespace homeport::shadow
