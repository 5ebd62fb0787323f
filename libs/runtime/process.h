#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"

namespace homeport::runtime {

// The identity of this run of a process: "<name>-<8 hex>", random. INVALID_ARGUMENT unless `name`
// is 1-63 of [a-z0-9.-].
[[nodiscard]] absl::StatusOr<PodId> MakePodId(std::string_view name);

// Raises the soft limit of open files to the hard one; returns it.
[[nodiscard]] absl::StatusOr<uint64_t> RaiseFileLimit();

}  // namespace homeport::runtime
