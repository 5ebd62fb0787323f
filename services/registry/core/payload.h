#pragma once

#include <string_view>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/json/value.h"

namespace homeport::registry {

// Reads the JSON payload of a typed topic, or the CBOR one where the topic said so. Returns what is
// wrong with it in a few fixed words, "" when all is well. Pure.
[[nodiscard]] std::string_view ReadPayload(const internal::v1::UplinkMessage& message,
                                           json::Value& out);

}  // namespace homeport::registry
