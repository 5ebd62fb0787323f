#pragma once

#include <string_view>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/model.h"

namespace homeport::model {

// Typed properties as leaves of the classic shadow: siid 2, piid 1 of a lamp is
// reported.light.on. Pure: any thread.
struct ShadowPath {
  std::string_view service;   // "light"; views into the model
  std::string_view property;  // "on"
};
[[nodiscard]] ShadowPath ToShadowPath(const Property& property);

// Null when the model has no such property.
[[nodiscard]] const Property* FromShadowPath(const Model& model, std::string_view service,
                                             std::string_view property);

// The typed values inside a section's state or merge patch, in the model's order; what belongs to
// no property is skipped, null (removed) too. Values are not checked.
struct FoundProperty {
  const Property* property;
  const json::Value* value;  // into `state`
};
[[nodiscard]] std::vector<FoundProperty> FindProperties(const Model& model,
                                                        const json::Object& state);

}  // namespace homeport::model
