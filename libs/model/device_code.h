#pragma once

#include <cstdint>

#include "libs/model/codes.h"

namespace homeport::model {

// What a device was asked for.
enum class Verb : uint8_t { kGet, kSet, kAction };

// A status as apps read it. Devices answer with their own codes, which the platform translates
// (MIoT-Spec-V2): -4001..-4007 of the device, -9999 where its module waited in vain for the
// controller, and raw codes of the platform that mean success. Others, a maker's own among them,
// stay what they are.
[[nodiscard]] int32_t FromDevice(int64_t code, Verb verb);

}  // namespace homeport::model
