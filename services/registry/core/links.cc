#include "services/registry/core/links.h"

#include <algorithm>
#include <iterator>

namespace homeport::registry {
namespace {

constexpr int64_t kMinuteMs = 60'000;

struct LinkRow {
  std::string_view name;
  int64_t keep_alive_ms;
};

constexpr LinkRow kLinks[] = {
    {"ble", 20 * kMinuteMs},
    {"mesh", 15 * kMinuteMs},
    {"mesh-low-power", 30 * kMinuteMs},
    {"zigbee", 55 * kMinuteMs},
    {"zigbee-mains", 10 * kMinuteMs},
    {"matter", 60 * kMinuteMs},
};

}  // namespace

std::optional<int64_t> SilenceOfLink(std::string_view link) {
  const auto* const found = std::find_if(std::begin(kLinks), std::end(kLinks),
                                         [&](const LinkRow& row) { return row.name == link; });
  if (found == std::end(kLinks)) return std::nullopt;
  return 3 * found->keep_alive_ms + 5 * kMinuteMs;
}

}  // namespace homeport::registry
