#pragma once

#include <cstdint>
#include <string>

#include "libs/json/value.h"

namespace homeport::shadow {

// The wire form of a section's times (AWS IoT shadows): an object with the keys of `state` and
// {"timestamp":t} for each leaf; an array becomes an array of the same length. Only the keys of
// `state` appear, so a delta's metadata is made from the delta and the desired section's times.
void AppendMetadata(const json::Object& state, const json::Object& times, std::string& out);

// The same when every leaf, null included, has the one time: metadata of a request.
void AppendMetadataAt(const json::Value& state, int64_t now_seconds, std::string& out);

}  // namespace homeport::shadow
