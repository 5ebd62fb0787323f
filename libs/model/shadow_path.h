#pragma once

#include <string_view>

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

}  // namespace homeport::model
