#pragma once

#include <string>
#include <string_view>

#include "libs/json/parse.h"
#include "libs/json/value.h"

namespace homeport::json {

// Reads one CBOR item (RFC 8949) that JSON can hold: integers of 64 bits, floats, UTF-8 text,
// arrays, maps with text keys, true, false, null; tags are skipped; definite lengths and
// indefinite ones. False for anything else, for bytes after it, and beyond the limits. Nothing is
// allocated from a length that the bytes do not back. Pure.
[[nodiscard]] bool ReadCbor(std::string_view bytes, const ParseLimits& limits, Value& out);

// The shortest definite form of a JSON value; doubles as 64 bits. Pure.
void WriteCbor(const Value& value, std::string& out);

}  // namespace homeport::json
