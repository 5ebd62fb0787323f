#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/fleet/fleet_config.h"
#include "services/fleet/sim/kind.h"

namespace homeport::fleet {

// Creates the products of `kinds` where they are absent and returns their fleet keys, in the order
// of `kinds`. Blocks, for a few seconds at most; where it failed it may be called again.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> EnsureProducts(
    const FleetConfig& config, const std::vector<std::unique_ptr<Kind>>& kinds);

}  // namespace homeport::fleet
