#pragma once

#include <string_view>

// The product models (services/fleet/models/*.json, MIoT-Spec-V2), embedded by the build.
namespace homeport::fleet::models {

extern const std::string_view kCurtain;
extern const std::string_view kDoor;
extern const std::string_view kHub;
extern const std::string_view kLamp;
extern const std::string_view kLeak;
extern const std::string_view kPlug;
extern const std::string_view kPurifier;
extern const std::string_view kThermometer;
extern const std::string_view kVacuum;

}  // namespace homeport::fleet::models
