#pragma once

#include <string>
#include <string_view>

namespace homeport::fleet {

// What a device shows: its user name "<product>/<device>" and, as password, the lower-case hex of
// HMAC-SHA256 over the user name, keyed with its product's fleet key. Devices compute it with code
// of their own, so that a server's mistake cannot hide in a shared function.
[[nodiscard]] std::string FleetUserName(std::string_view product, std::string_view device);
[[nodiscard]] std::string FleetPassword(std::string_view fleet_key, std::string_view user_name);

}  // namespace homeport::fleet
