#pragma once

#include <string_view>

#include "services/gateway/stream/bus.h"

namespace homeport::gateway {

// "<ms>-<seq>", as Redis writes it.
[[nodiscard]] StreamPos ParseStreamPos(std::string_view id);

// A retained message as the hash of its partition has it: the message, the place of the entry that
// brought it, and the length of that place in one byte.
struct RetainedValue {
  std::string_view message;  // borrows
  StreamPos place;
};
[[nodiscard]] RetainedValue ParseRetained(std::string_view value);

}  // namespace homeport::gateway
