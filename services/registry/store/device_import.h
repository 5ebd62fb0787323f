#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/registry/store/device_table.h"

namespace homeport::registry {

// Rows of an import that are in themselves right, and what became of each.
struct ImportRow {
  DeviceRow device;
  absl::Status outcome = absl::OkStatus();  // why it was not taken
  bool updated = false;                     // taken: of a device that existed
};

struct ImportRules {
  bool update_existing = false;
  bool validate_only = false;
};

// Brings one chunk of one tenant's rows into the tables; all in the transaction, with the audit
// log. Only a failure of PostgreSQL is an error; what is wrong with a row becomes its outcome:
// NOT_FOUND PRODUCT_NOT_FOUND, ALREADY_EXISTS DEVICE_EXISTS, FAILED_PRECONDITION DEVICE_DELETED,
// RESOURCE_EXHAUSTED QUOTA_EXCEEDED, INVALID_ARGUMENT FIELD_INVALID. Rows that have an outcome are
// left alone.
[[nodiscard]] absl::Status ImportDevices(postgres::Transaction& transaction, const Actor& actor,
                                         const ImportRules& rules, std::vector<ImportRow>& rows);

}  // namespace homeport::registry
