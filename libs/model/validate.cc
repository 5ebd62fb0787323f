#include "libs/model/validate.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "libs/model/float_grid.h"
#include "libs/model/format.h"
#include "libs/model/missing.h"

namespace homeport::model {
namespace {

using json::Array;
using json::Value;

// From here on a double cannot tell a tenth from a whole number, so 5000000000000000.5 would count
// as whole; beyond 2^53 it stands for several whole ones: 9007199254740993.0 reads as ...992.
constexpr double kAmbiguousFrom = 0x1p50;

std::optional<int64_t> ToWhole(const Value& value) {
  const double* number = value.IfDouble();
  if (number != nullptr && std::fabs(*number) >= kAmbiguousFrom) return std::nullopt;
  return value.ToInt64();
}

Verdict CheckIntRange(const IntRange& range, int64_t value) {
  if (value < range.min || value > range.max) return Verdict::kOutOfRange;
  // The distance may exceed int64; in uint64 it is exact.
  const uint64_t distance = static_cast<uint64_t>(value) - static_cast<uint64_t>(range.min);
  return distance % static_cast<uint64_t>(range.step) == 0 ? Verdict::kOk : Verdict::kOffStep;
}

Verdict CheckFloatRange(const FloatRange& range, double value) {
  switch (PlaceOnGrid(range, value)) {
    case GridPlace::kOutside:
      return Verdict::kOutOfRange;
    case GridPlace::kBetween:
      return Verdict::kOffStep;
    default:
      return Verdict::kOk;
  }
}

Verdict CheckList(const ValueList& list, const Value& value) {
  const auto same = [&value](const ListedValue& listed) { return Value(listed.value) == value; };
  return std::any_of(list.begin(), list.end(), same) ? Verdict::kOk : Verdict::kNotListed;
}

Verdict ValidateInteger(const Property& property, const Value& value) {
  if (!value.is_number()) return Verdict::kWrongType;
  const std::optional<int64_t> number = ToWhole(value);
  if (!number) return value.IfUint64() != nullptr ? Verdict::kOutOfRange : Verdict::kWrongType;
  const IntBounds bounds = BoundsOf(property.format);
  if (*number < bounds.min || *number > bounds.max) return Verdict::kOutOfRange;
  if (const auto* range = std::get_if<IntRange>(&property.constraint)) {
    return CheckIntRange(*range, *number);
  }
  if (const auto* list = std::get_if<ValueList>(&property.constraint)) {
    return CheckList(*list, value);
  }
  return Verdict::kOk;
}

Verdict ValidateFloat(const Property& property, const Value& value) {
  const std::optional<double> number = value.ToDouble();
  if (!number || !std::isfinite(*number)) return Verdict::kWrongType;
  if (const auto* range = std::get_if<FloatRange>(&property.constraint)) {
    return CheckFloatRange(*range, *number);
  }
  if (const auto* list = std::get_if<ValueList>(&property.constraint)) {
    return CheckList(*list, value);
  }
  return Verdict::kOk;
}

Checked Missing(const Model& model, uint32_t siid, uint32_t piid) {
  return {MissingCode(model, GivenId{siid, piid}, Part::kProperty)};
}

Checked CheckValue(const Property& property, const Value& value, Code code_if_wrong) {
  const Verdict verdict = ValidateValue(property, value);
  return {verdict == Verdict::kOk ? Code::kOk : code_if_wrong, verdict, &property};
}

}  // namespace

std::string_view ToText(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWrongType:
      return "wrong type";
    case Verdict::kOutOfRange:
      return "out of range";
    case Verdict::kOffStep:
      return "off the step";
    case Verdict::kNotListed:
      return "not in the value list";
  }
  return "unknown verdict";
}

Verdict ValidateValue(const Property& property, const Value& value) {
  switch (property.format) {
    case Format::kBool:
      return value.is_bool() ? Verdict::kOk : Verdict::kWrongType;
    case Format::kString:
      return value.is_string() ? Verdict::kOk : Verdict::kWrongType;
    case Format::kFloat:
      return ValidateFloat(property, value);
    default:
      return ValidateInteger(property, value);
  }
}

Value Normalise(const Property& property, const Value& value) {
  if (IsInteger(property.format)) {
    if (const std::optional<int64_t> number = value.ToInt64()) return *number;
  }
  if (property.format == Format::kFloat) {
    if (const std::optional<double> number = value.ToDouble()) {
      const auto* range = std::get_if<FloatRange>(&property.constraint);
      return range == nullptr ? *number : NearestOnGrid(*range, *number);
    }
  }
  return value;
}

Checked ValidateSet(const Model& model, uint32_t siid, uint32_t piid, const Value& value) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid, piid);
  if (!property->Can(kWrite)) return {Code::kNotWritable, Verdict::kOk, property};
  return CheckValue(*property, value, Code::kWrongValue);
}

Checked ValidateGet(const Model& model, uint32_t siid, uint32_t piid) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid, piid);
  return {property->Can(kRead) ? Code::kOk : Code::kNotReadable, Verdict::kOk, property};
}

Checked ValidateRecall(const Model& model, uint32_t siid, uint32_t piid) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid, piid);
  const bool is_known = property->Can(kRead) || property->Can(kNotify);
  return {is_known ? Code::kOk : Code::kNotReadable, Verdict::kOk, property};
}

Checked ValidateReport(const Model& model, uint32_t siid, uint32_t piid, const Value& value) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid, piid);
  return CheckValue(*property, value, Code::kWrongValue);
}

}  // namespace homeport::model
