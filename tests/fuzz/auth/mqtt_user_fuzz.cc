#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/auth/credentials.h"
#include "libs/base/check.h"
#include "libs/base/ids.h"

// A user name that names a device is built of exactly its two valid ids.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport;
  const std::string username(reinterpret_cast<const char*>(data), size);
  const auto user = auth::ParseMqttUser(username);
  if (!user.has_value()) return 0;
  HP_CHECK(IsValidProductId(user->product) && IsValidDeviceId(user->device));
  HP_CHECK(user->name == std::string(user->product) + "/" + std::string(user->device));
  HP_CHECK(username.substr(0, user->name.size()) == user->name);
  HP_CHECK(auth::VerifyFleetPassword("key", user->name, auth::FleetPassword("key", user->name)));
  return 0;
}
