#pragma once

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/effects.h"

namespace homeport::registry {

// Adds the telemetry, events and values of properties of `effects` to history: one statement per
// table.
[[nodiscard]] absl::Status WriteHistory(postgres::Transaction& transaction, const Effects& effects);

}  // namespace homeport::registry
