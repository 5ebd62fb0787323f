#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"

namespace homeport::registry {

// A session whose record was removed with its dead pod.
struct EndedSession {
  std::string device;
  std::string client;
  std::string pod;
  uint64_t session = 0;
  uint64_t epoch = 0;
};

// Of the record's field "<pod> <session>[ <client>]" and its value, the epoch; appended to `ended`.
void AppendEnded(std::string_view device, std::string_view field, std::string_view epoch,
                 std::vector<EndedSession>& ended);

// Has one living gateway publish the lifecycle events of these sessions, where a client follows
// such events and a gateway lives. Devices that PostgreSQL does not know belong to no tenant:
// nobody may hear of them.
[[nodiscard]] absl::Status TellOfEnded(redis_blocking::Client& redis,
                                       postgres::Connection& postgres,
                                       const std::vector<EndedSession>& ended);

}  // namespace homeport::registry
