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

// Reads a MIoT-Spec-V2 instance: {"type":urn,"description",services:[..]}, or such
// an object under "instance". Accepts what the platform really serves: null or missing lists
// of parts, `in` or `out` as null, empty access, unknown fields, 8-part URNs, values of URNs with
// fewer digits, no description, iid 0, and properties with an iid that another has, of which the
// first counts.
//
// Refused (kInvalidArgument, naming the JSON path, as in services[2].properties[0].format): a type
// that is no URN of the part's kind, an iid that is no integer of 0..65535 or, but for properties,
// that of a sibling, an unknown format or access, access, in, out or arguments
// that are not there, a range that is not three numbers with min <=
// max, a step above 0 and a whole number of steps between, or does not fit the format, a range or
// list on bool or string, a listed value that does not fit or stands twice, an argument that names
// no property of its service, and anything over the limits.
[[nodiscard]] absl::StatusOr<Model> ParseModel(std::string_view text,
                                               const ParseModelLimits& limits = {});
[[nodiscard]] absl::StatusOr<Model> ModelFromJson(const json::Value& instance,
                                                  const ParseModelLimits& limits = {});

}  // namespace homeport::model
