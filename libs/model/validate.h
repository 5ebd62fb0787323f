#pragma once

#include <cstdint>
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
//   integers whole numbers within the format; a double that is whole counts (5.0) below 2^50,
//            where it can still tell a tenth from a whole
//   float    any number; range and step are met as well as single precision can (float_grid.h)
//   string   any string
[[nodiscard]] Verdict ValidateValue(const Property& property, const json::Value& value);

// The value as it is stored and sent: integer formats hold int64, float holds a double, with a
// range the nearest decimal on it, so that what a device reports in single precision is what was
// asked of it.
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

// A read from the device: must exist and be readable (kNotReadable).
[[nodiscard]] Checked ValidateGet(const Model& model, uint32_t siid, uint32_t piid);

// A read of what is known from reports: must exist and be readable or notifiable (kNotReadable).
[[nodiscard]] Checked ValidateRecall(const Model& model, uint32_t siid, uint32_t piid);

// A report by the device: any property that exists, whatever its access (a value that was set is
// reported too), with a value that fits (kWrongValue).
[[nodiscard]] Checked ValidateReport(const Model& model, uint32_t siid, uint32_t piid,
                                     const json::Value& value);

}  // namespace homeport::model
