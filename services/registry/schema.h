#pragma once

#include <span>

#include "libs/postgres/migrate.h"

namespace homeport::registry {

// The files of services/registry/migrations, in order, compiled in.
[[nodiscard]] std::span<const postgres::Migration> Migrations();

}  // namespace homeport::registry
