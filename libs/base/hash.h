#pragma once

#include <cstdint>
#include <string_view>

namespace homeport {

// A fixed 64-bit hash (XXH64 with seed 0): the same on every pod and in every release, because
// stream partitions and partition owners are chosen by it.
[[nodiscard]] uint64_t Hash64(std::string_view bytes);

}  // namespace homeport
