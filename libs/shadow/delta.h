#pragma once

#include "libs/json/value.h"
#include "libs/shadow/document.h"

namespace homeport::shadow {

// What the device has still to do (AWS IoT shadows): every desired value that reported does not
// hold. Equal values give nothing, two objects recurse, anything else gives the whole desired
// value. Numbers compare by value. Pure: any thread.
[[nodiscard]] bool HasDelta(const Document& document);
[[nodiscard]] bool HasDelta(const json::Object& desired, const json::Object& reported);

// The delta's state; empty when there is none.
[[nodiscard]] json::Object MakeDelta(const json::Object& desired, const json::Object& reported);

}  // namespace homeport::shadow
