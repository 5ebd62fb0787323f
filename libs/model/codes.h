#pragma once

#include <cstdint>
#include <string_view>

namespace homeport::model {

// MIoT status codes that Homeport itself gives (-70xxxyzzz: HTTP class, place, reason; MIoT-Spec-V2
// 1.6). Negative is failure; 1 means accepted, not finished yet.
enum class Code : int32_t {
  kOk = 0,
  kAccepted = 1,
  kNotAuthorized = -704010000,
  kDeviceOffline = -704042011,
  kNotReadable = -704030013,
  kNotWritable = -704030023,
  kNotSubscribable = -704030033,
  kDeviceError = -704002000,
  kNoDevice = -704042001,
  kNoDescription = -704014006,
  kNoService = -704040002,
  kNoProperty = -704040003,
  kNoEvent = -704040004,
  kNoAction = -704040005,
  kInvalidId = -704220008,
  kWrongArgumentCount = -704220025,
  kWrongArgument = -704220035,
  kWrongValue = -704220043,
  kWrongResultCount = -704222034,  // of action results and event arguments
  kWrongResult = -704222035,
  kDeviceTimeout = -704053036,
  kWrongState = -704053100,
};

// A few words for people and logs.
[[nodiscard]] std::string_view ToText(Code code);

}  // namespace homeport::model
