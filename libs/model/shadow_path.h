#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/codes.h"
#include "libs/model/model.h"

namespace homeport::model {

// Typed properties as leaves of the classic shadow: siid 2, piid 1 of a lamp is
// reported.light.on (README.md). Pure: any thread.
struct ShadowPath {
  std::string_view service;   // "light"; views into the model
  std::string_view property;  // "on"
};
[[nodiscard]] ShadowPath ToShadowPath(const Property& property);

// Null when the model has no such property.
[[nodiscard]] const Property* FromShadowPath(const Model& model, std::string_view service,
                                             std::string_view property);

struct PropertyValue {
  uint32_t siid = 0;
  uint32_t piid = 0;
  json::Value value;
};

// The merge patch for `reported` (or `desired`) that holds these values, normalised. A property
// given twice keeps the last value. Properties the model does not know or whose value does not fit
// are left out and counted in `refused`, with the code of the first.
struct Patch {
  json::Object state;
  size_t refused = 0;
  Code first_code = Code::kOk;
};
[[nodiscard]] Patch BuildPatch(const Model& model, std::span<const PropertyValue> values);

// The typed values inside a section's state or merge patch, in the model's order; what belongs to
// no property is skipped, null (removed) too. Values are not checked.
struct FoundProperty {
  const Property* property;
  const json::Value* value;  // into `state`
};
[[nodiscard]] std::vector<FoundProperty> FindProperties(const Model& model,
                                                        const json::Object& state);

}  // namespace homeport::model
