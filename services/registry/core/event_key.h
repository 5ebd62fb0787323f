#pragma once

#include <string>
#include <string_view>

#include "libs/json/value.h"

namespace homeport::registry {

// What tells an event that is sent again from one that happened again: the `id` of its payload, an
// integer or a text of at most 64 bytes; without one, its `ts` together with its arguments. "" when
// it has neither: two such events cannot be told apart, and each is stored. Pure.
[[nodiscard]] std::string EventKey(const json::Object& payload, std::string_view arguments);

}  // namespace homeport::registry
