#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace homeport::registry {

// By what radio a child hangs on its hub. A child is gone when it was silent for three of its
// link's keep-alives and five minutes (MIoT-Spec-V2): a coin cell speaks once in an hour and is
// well. Names: ble (every 20 min), mesh (15), mesh-low-power (30), zigbee (55, battery),
// zigbee-mains (10), matter (60, the longest interval of its subscriptions). Pure.
[[nodiscard]] std::optional<int64_t> SilenceOfLink(std::string_view link);

inline constexpr int64_t kSilenceMsMin = 1000;
inline constexpr int64_t kSilenceMsMax = int64_t{30} * 86'400'000;

}  // namespace homeport::registry
