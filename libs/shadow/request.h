#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/json/value.h"
#include "libs/shadow/limits.h"

namespace homeport::shadow {

// The payload of `.../shadow/update` (AWS IoT shadows):
//   {"state":{"desired":{..}|null,"reported":{..}|null}|null,"clientToken":"..","version":n}
struct UpdateRequest {
  json::Value state;  // null, or an object with at most desired and reported (object or null)
  std::optional<std::string> client_token;
  std::optional<int64_t> version;  // process only if the stored version is this one
  size_t state_bytes = 0;          // no less than the compact JSON size of `state`

  // The section of the patch: absent (nullptr), null, or an object.
  [[nodiscard]] const json::Value* desired() const { return state.Find("desired"); }
  [[nodiscard]] const json::Value* reported() const { return state.Find("reported"); }
};

// Either a request or why it is refused. The client token is echoed in both cases, as far as it
// could be read.
struct ParsedUpdate {
  std::optional<Rejected> rejected;
  UpdateRequest request;
};

// Checks in this order (the table of AWS IoT shadows): size of the text (413); UTF-8 (415); JSON,
// with an object at the root (400 Invalid JSON); nesting beyond any sense (400); CheckState;
// version; clientToken; nesting of the sections. Unknown keys beside `state` are ignored. Pure: any
// thread.
[[nodiscard]] ParsedUpdate ParseUpdate(std::string_view payload, const Limits& limits);

// Whether `state` may be a request's: null or an object; of desired and reported only; these null
// or objects; no null in arrays; the sections no deeper than limits.depth_max. Not its size.
[[nodiscard]] std::optional<Rejected> CheckState(const json::Value& state, const Limits& limits);

// A request made in the server. REQUIRES: CheckState accepts `state`. Computes `state_bytes`.
[[nodiscard]] UpdateRequest MakeUpdate(json::Value state,
                                       std::optional<std::string> client_token = {});

// The payload of `.../get` and `.../delete`: empty, or an object whose clientToken is echoed.
// Other keys are ignored. For `delete`, whose content AWS ignores, callers may do the same and act
// in spite of `rejected`.
struct ParsedSimple {
  std::optional<Rejected> rejected;  // Invalid JSON, not UTF-8, Invalid clientToken, 413
  std::optional<std::string> client_token;
  std::optional<int64_t> version;  // as far as there is one; devices' are to be ignored
};
[[nodiscard]] ParsedSimple ParseSimple(std::string_view payload, const Limits& limits);

}  // namespace homeport::shadow
