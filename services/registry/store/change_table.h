#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "homeport/internal/v1/directory.pb.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

using internal::v1::DirectoryChange;

// The table directory_change: what gateways must forget. Numbers rise in the order of commits: a
// writer holds an advisory lock until it commits, so this is the last thing a transaction does.
[[nodiscard]] absl::Status NoteChange(postgres::Transaction& transaction,
                                      const DirectoryChange& change);

// The same of devices whose configuration is another, and whose sessions go on.
[[nodiscard]] absl::Status NoteDevices(postgres::Transaction& transaction,
                                       const std::vector<std::string_view>& devices);

// The same of certificates that are revoked.
[[nodiscard]] absl::Status NoteRevokedCertificates(postgres::Transaction& transaction,
                                                   const std::vector<std::string_view>& ids);

struct Changes {
  std::vector<DirectoryChange> changes;
  int64_t last = 0;      // the newest number there is
  bool complete = true;  // false: changes behind the one asked for are no longer kept
};
// Those behind `after`, at most `limit`; with `after` < 0 only `last`.
[[nodiscard]] absl::StatusOr<Changes> ListChanges(postgres::Connection& connection, int64_t after,
                                                  int64_t limit);

}  // namespace homeport::registry
