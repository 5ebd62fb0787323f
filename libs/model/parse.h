#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/value.h"
#include "libs/model/model.h"

namespace homeport::model {

struct ParseModelLimits {
  size_t bytes_max = 1 << 20;  // of the JSON text; the largest released spec has 38 KB
  size_t services_max = 256;
  size_t parts_max = 4096;  // properties, actions and events together
  size_t listed_values_max = 16384;
};

// Reads a MIoT-Spec-V2 instance: {"type":urn,"description",services:[..]} (miot.md 1.2), or such
// an object under "instance". Accepts what the platform really serves: null or missing lists,
// empty access, unknown fields, 8-part URNs, no description, iid 0. Of siblings with the same iid
// the first counts. A name is the fourth part of the URN; where that is missing, the last of
// the first three that says anything, else the kind and iid ("property-3").
//
// Refused (kInvalidArgument, naming the JSON path, as in services[2].properties[0].format): no or
// non-text type, an iid that is no integer of 0..65535, an unknown format or access, a range that
// is not three numbers with min <= max or does not fit the format, a range or list on bool or
// string, a listed value that does not fit, an argument that names no property of its service, and
// anything over the limits.
[[nodiscard]] absl::StatusOr<Model> ParseModel(std::string_view text,
                                               const ParseModelLimits& limits = {});
[[nodiscard]] absl::StatusOr<Model> ModelFromJson(const json::Value& instance,
                                                  const ParseModelLimits& limits = {});

}  // namespace homeport::model
