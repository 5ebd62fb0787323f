#pragma once

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/effects.h"

namespace homeport::registry {

// Adds the telemetry, events and values of properties of `effects` to history: one COPY per table
// (docs/adr/0008-history-is-written-by-copy.md).
[[nodiscard]] absl::Status WriteHistory(postgres::Transaction& transaction, const Effects& effects);

}  // namespace homeport::registry
