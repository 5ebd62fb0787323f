#pragma once

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/effects.h"

namespace homeport::registry {

// Writes what is dirty in `effects`, and its history: one statement per table.
[[nodiscard]] absl::Status WriteEffects(postgres::Transaction& transaction, const Effects& effects);

}  // namespace homeport::registry
