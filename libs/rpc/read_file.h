#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace homeport::rpc {

// The contents of a PEM or token file. The error names the path; an empty file is one, too.
[[nodiscard]] absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace homeport::rpc
