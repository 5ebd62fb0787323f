#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace homeport::auth {

// Decodes unpadded base64url (RFC 7515, 2). Nothing unless `text` is the one spelling of its bytes:
// no padding, no white space, no stray bits at the end.
[[nodiscard]] std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace homeport::auth
