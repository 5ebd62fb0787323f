#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/model.h"

namespace homeport::model {

// What becomes of stored values when a device changes from one version of its model to another, or
// gets its first one: what still says the same is kept, the rest is not. Pure: any thread.

enum class Loss : uint8_t {
  kGone,        // the new version has no such property
  kOtherType,   // the iid is that of another type of property, or of service, now
  kOtherUnit,   // both versions name a unit, and they differ: 50 percent are not 50 kelvin
  kWrongValue,  // format, range, step or list do not allow it
};
[[nodiscard]] std::string_view ToText(Loss loss);

struct LostValue {
  std::string path;  // where it stood: "light.brightness"
  Loss loss;
};
struct MovedValue {
  std::string from, to;  // paths; a sibling of the same name came or went (model.h, `key`)
};

struct Migration {
  json::Object patch;  // merge patch (RFC 7396) for the state; empty when all of it stays
  std::vector<LostValue> lost;
  std::vector<MovedValue> moved;
};

// `state` is one section of the classic shadow. Properties are the same where their iids are. What
// belongs to no property of either version is kept; what stands where the new version has a
// property must be a value of that. `was` may be null.
[[nodiscard]] Migration MigrateState(const Model* was, const Model& now, const json::Object& state);

}  // namespace homeport::model
