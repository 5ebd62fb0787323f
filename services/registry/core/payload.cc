#include "services/registry/core/payload.h"

#include "libs/json/cbor.h"
#include "libs/json/parse.h"

namespace homeport::registry {
namespace {

constexpr json::ParseLimits kLimits{.depth_max = 16, .bytes_max = 256 * 1024, .nodes_max = 16'384};

}  // namespace

std::string_view ReadPayload(const internal::v1::UplinkMessage& message, json::Value& out) {
  if (message.cbor())
    return json::ReadCbor(message.payload(), kLimits, out) ? "" : "not usable CBOR";
  const json::ParseResult parsed = json::ParseInto(message.payload(), kLimits, out);
  return parsed.ok() ? "" : json::ToText(parsed.error);
}

}  // namespace homeport::registry
