#include "libs/model/device_code.h"

#include <algorithm>
#include <limits>

namespace homeport::model {
namespace {

Code Translate(int64_t code, Verb verb) {
  switch (code) {
    case -4001:
      return Code::kNotReadable;
    case -4002:
      return Code::kNotWritable;
    case -4003:
      return verb == Verb::kAction ? Code::kNoAction : Code::kNoProperty;
    case -4004:
      return Code::kDeviceError;
    case -4005:
      return Code::kWrongValue;
    case -4006:
      return Code::kWrongArgument;
    case -4007:
      return Code::kNoDevice;
    case -9999:
      return Code::kDeviceTimeout;
    case -702010000:
      return Code::kAccepted;
    default:
      return Code::kOk;
  }
}

}  // namespace

int32_t FromDevice(int64_t code, Verb verb) {
  constexpr int64_t kSuccess = -702000000;
  const Code translated = Translate(code, verb);
  if (translated != Code::kOk || code == kSuccess) return static_cast<int32_t>(translated);
  // No status is beyond 32 bits; what such a number says is its sign.
  return static_cast<int32_t>(std::clamp<int64_t>(code, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

}  // namespace homeport::model
