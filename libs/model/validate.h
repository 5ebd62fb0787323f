#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libs/json/value.h"
#include "libs/model/codes.h"
#include "libs/model/model.h"

namespace homeport::model {

// Whether values fit a model. Pure: any thread.
enum class Verdict : uint8_t { kOk, kWrongType, kOutOfRange, kOffStep, kNotListed };
[[nodiscard]] std::string_view ToText(Verdict verdict);

// The value alone, whatever the access:
//   bool     true or false only, not 0 or 1
//   integers whole numbers within the format; a double that is whole counts (5.0), kept exact
//   float    any number; the step is met within 1e-6 relative, but never halfway to the next, and
//            so are the range's ends
//   string   any string
[[nodiscard]] Verdict ValidateValue(const Property& property, const json::Value& value);

// The value as it is stored and sent: integer formats hold int64, float holds a double.
// REQUIRES: ValidateValue is kOk.
[[nodiscard]] json::Value Normalise(const Property& property, const json::Value& value);

struct Checked {
  Code code = Code::kOk;
  Verdict verdict = Verdict::kOk;      // says more when the code is about a value
  const Property* property = nullptr;  // the property meant, where it was found
  [[nodiscard]] bool ok() const { return code == Code::kOk; }
};

// A set by an app: the property must exist (kNoService, kNoProperty) and be writable
// (kNotWritable), the value must fit (kWrongValue).
[[nodiscard]] Checked ValidateSet(const Model& model, uint32_t siid, uint32_t piid,
                                  const json::Value& value);

// A read by an app: must exist and be readable or notifiable (kNotReadable).
[[nodiscard]] Checked ValidateGet(const Model& model, uint32_t siid, uint32_t piid);

// A report by the device: any property that exists, whatever its access (a value that was set is
// reported too), with a value that fits (kWrongValue).
[[nodiscard]] Checked ValidateReport(const Model& model, uint32_t siid, uint32_t piid,
                                     const json::Value& value);

// The arguments of an action, `in` either [v1, v2] in the order of action.in or
// [{"piid":p,"value":v}, ..] in any order, each piid once. kWrongArgumentCount, kWrongArgument.
[[nodiscard]] Checked ValidateActionIn(const Model& model, const Action& action,
                                       const json::Array& in);
// The same for results (kWrongResultCount, kWrongResult).
[[nodiscard]] Checked ValidateActionOut(const Model& model, const Action& action,
                                        const json::Array& out);
// The same for an event (kWrongResultCount, kWrongArgument). With `partial`, arguments in the
// {piid,value} form may be missing: real devices leave out those without a value.
struct EventCheckOptions {
  bool partial = true;
};
[[nodiscard]] Checked ValidateEvent(const Model& model, const Event& event,
                                    const json::Array& arguments,
                                    const EventCheckOptions& options = {});

}  // namespace homeport::model
