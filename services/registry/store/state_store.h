#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/device_state.h"
#include "services/registry/core/effects.h"

// Reads the state of many devices at once: one statement per table.
namespace homeport::registry {

// Session settings under which the batched statements are planned as they should: each looks rows
// up by primary key, however many there are and however old the statistics.
inline constexpr const char* kBatchSettings =
    "enable_hashjoin=off;enable_mergejoin=off;jit=off;plan_cache_mode=force_generic_plan";

using StatesById = std::unordered_map<std::string_view, DeviceState*>;
// The ids as a statement takes them; notes whose they are.
[[nodiscard]] postgres::Array IdsOf(const std::vector<DeviceState*>& devices, StatesById& by_id);

// Fills states that hold only `id` and `partition`: device row, sessions, watchers, classic shadow.
[[nodiscard]] absl::Status LoadDevices(postgres::Transaction& transaction,
                                       const std::vector<DeviceState*>& devices);

// Adds named shadows to states; one that does not exist becomes an empty document.
[[nodiscard]] absl::Status LoadNamedShadows(
    postgres::Transaction& transaction,
    const std::vector<std::pair<DeviceState*, std::string>>& wanted);

// Notes the events that these devices had stored in the last `back_ms`.
[[nodiscard]] absl::Status LoadEventKeys(postgres::Transaction& transaction,
                                         const std::set<std::string_view>& devices, int64_t now_ms,
                                         int64_t back_ms, Effects& effects);

// Adds to each state its named shadows that exist and that it does not hold yet, `count_max` of
// each device at most, in the order of their names.
[[nodiscard]] absl::Status LoadAllNamedShadows(postgres::Transaction& transaction,
                                               const std::vector<DeviceState*>& devices,
                                               size_t count_max);

}  // namespace homeport::registry
