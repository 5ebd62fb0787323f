#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/value.h"

namespace homeport::registry {

// What a template makes of a device's parameters.
struct Blueprint {
  std::string thing_name;
  json::Object device_configuration;
};

// AWS IoT's provisioning template: Parameters with types and defaults, Resources
// whose properties are texts or the functions Ref, Fn::Join, Fn::Select, Fn::Split and Fn::Sub.
// Immutable. Pure.
class ProvisioningTemplate {
 public:
  static constexpr size_t kBytesMax = 10 * 1024;

  // INVALID_ARGUMENT with the path of what is wrong: "Resources.thing.Properties.ThingName: …".
  [[nodiscard]] static absl::StatusOr<ProvisioningTemplate> Parse(std::string_view body_json);

  // INVALID_ARGUMENT where a parameter is missing or unknown, or the name that comes out names no
  // device. Parameters that begin with "AWS::IoT::" are known to every template.
  [[nodiscard]] absl::StatusOr<Blueprint> Evaluate(
      const std::map<std::string, std::string>& parameters) const;

 private:
  json::Object parameters_;
  json::Value thing_name_;
  json::Object device_configuration_;
};

}  // namespace homeport::registry
