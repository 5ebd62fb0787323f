#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "services/registry/store/audit_table.h"

namespace homeport::registry {

// The table request_answer: what a request with a request_id was answered, so that the same request
// sent again changes nothing. An answer may hold a secret: it is encrypted by the request id, of
// which the table holds a hash only.
struct RequestKey {
  std::string key;
  std::string fingerprint;  // of the method and the request
  std::string cipher_key;
};

// INVALID_ARGUMENT FIELD_INVALID unless `request_id` is a UUID.
[[nodiscard]] absl::StatusOr<RequestKey> MakeRequestKey(const Actor& actor,
                                                        std::string_view request_id,
                                                        std::string_view method,
                                                        std::string_view request);

// INVALID_ARGUMENT REQUEST_ID_REUSED where another request had that id.
[[nodiscard]] absl::StatusOr<std::optional<std::string>> FindAnswer(
    postgres::Connection& connection, const RequestKey& key);
// In the transaction of the change. ALREADY_EXISTS: the same request was faster.
[[nodiscard]] absl::Status StoreAnswer(postgres::Transaction& transaction, const RequestKey& key,
                                       std::string_view answer);

}  // namespace homeport::registry
