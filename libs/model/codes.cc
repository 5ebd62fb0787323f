#include "libs/model/codes.h"

namespace homeport::model {

std::string_view ToText(Code code) {
  switch (code) {
    case Code::kOk:
      return "done";
    case Code::kAccepted:
      return "accepted, not finished yet";
    case Code::kNotAuthorized:
      return "not authorised";
    case Code::kDeviceOffline:
      return "device offline";
    case Code::kNotReadable:
      return "property not readable";
    case Code::kNotWritable:
      return "property not writable";
    case Code::kNotSubscribable:
      return "property cannot be subscribed";
    case Code::kDeviceError:
      return "the device failed";
    case Code::kNoDevice:
      return "no such device";
    case Code::kNoDescription:
      return "device description not found";
    case Code::kNoService:
      return "no such service";
    case Code::kNoProperty:
      return "no such property";
    case Code::kNoEvent:
      return "no such event";
    case Code::kNoAction:
      return "no such action";
    case Code::kInvalidId:
      return "invalid id";
    case Code::kWrongArgumentCount:
      return "wrong number of action arguments";
    case Code::kWrongArgument:
      return "wrong action argument";
    case Code::kWrongValue:
      return "wrong property value";
    case Code::kWrongResultCount:
      return "wrong number of results or event arguments";
    case Code::kWrongResult:
      return "wrong action result";
    case Code::kDeviceTimeout:
      return "device did not answer in time";
    case Code::kWrongState:
      return "not possible in the present state";
  }
  return "unknown code";
}

}  // namespace homeport::model
