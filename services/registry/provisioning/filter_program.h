#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace homeport::registry {

// Runs `program argument` with `input` on its standard input; what it writes, at most 64 KiB.
// UNAVAILABLE when it cannot be run, fails, or takes longer than `timeout_ms`: it is then killed.
[[nodiscard]] absl::StatusOr<std::string> RunFilter(const std::string& program,
                                                    const std::string& argument,
                                                    const std::string& input, int64_t timeout_ms);

}  // namespace homeport::registry
