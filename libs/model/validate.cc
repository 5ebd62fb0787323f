#include "libs/model/validate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "libs/model/format.h"

namespace homeport::model {
namespace {

using json::Array;
using json::Value;

constexpr double kTolerance = 1e-6;

Verdict CheckIntRange(const IntRange& range, int64_t value) {
  if (value < range.min || value > range.max) return Verdict::kOutOfRange;
  // The distance may exceed int64; in uint64 it is exact.
  const uint64_t distance = static_cast<uint64_t>(value) - static_cast<uint64_t>(range.min);
  return distance % static_cast<uint64_t>(range.step) == 0 ? Verdict::kOk : Verdict::kOffStep;
}

// Devices compute in single precision and print few digits: 25.3 arrives as 25.299999237. The error
// grows with the value's magnitude, so the tolerance does too, but stays so far below the step that
// a value between two steps is refused. Only what single precision cannot tell apart from a good
// value, a latitude with a step of 1e-06, may be off by more.
double SlackOf(const FloatRange& range, double value) {
  const double magnitude = std::fabs(value);
  const double slack = std::min(kTolerance * std::max(magnitude, range.step), range.step / 4);
  constexpr double kHalfUlp = 0x1p-24;
  const bool is_single = magnitude <= std::numeric_limits<float>::max() &&
                         static_cast<double>(static_cast<float>(value)) == value;
  return is_single ? std::max(slack, magnitude * kHalfUlp) : slack;
}

Verdict CheckFloatRange(const FloatRange& range, double value) {
  const double slack = SlackOf(range, value);
  if (value < range.min - slack || value > range.max + slack) return Verdict::kOutOfRange;
  const double steps = (value - range.min) / range.step;
  const double off = std::fabs(steps - std::round(steps)) * range.step;
  return off <= slack ? Verdict::kOk : Verdict::kOffStep;
}

Verdict CheckList(const ValueList& list, const Value& value) {
  const auto same = [&value](const ListedValue& listed) { return Value(listed.value) == value; };
  return std::any_of(list.begin(), list.end(), same) ? Verdict::kOk : Verdict::kNotListed;
}

Verdict ValidateInteger(const Property& property, const Value& value) {
  if (!value.is_number()) return Verdict::kWrongType;
  const std::optional<int64_t> number = value.ToInt64();
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

Checked Missing(const Model& model, uint32_t siid) {
  Checked missing;
  missing.code = model.FindService(siid) != nullptr ? Code::kNoProperty : Code::kNoService;
  return missing;
}

Checked CheckValue(const Property& property, const Value& value, Code code_if_wrong) {
  const Verdict verdict = ValidateValue(property, value);
  return {verdict == Verdict::kOk ? Code::kOk : code_if_wrong, verdict, &property};
}

// How a list of arguments is checked, and with which codes it is refused.
struct ArgumentRules {
  uint16_t siid;
  std::span<const uint16_t> piids;
  Code wrong_count;
  Code wrong_value;
  bool may_be_partial;
};

bool IsNamed(const Value& argument) {
  return argument.Find("piid") != nullptr && argument.Find("value") != nullptr;
}

Checked CheckByOrder(const Model& model, const ArgumentRules& rules, const Array& arguments) {
  if (arguments.size() != rules.piids.size()) return {rules.wrong_count};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Property* property = model.FindProperty(rules.siid, rules.piids[i]);
    if (property == nullptr) return {rules.wrong_value};
    const Checked checked = CheckValue(*property, arguments[i], rules.wrong_value);
    if (!checked.ok()) return checked;
  }
  return {};
}

// The first place of `piid` among those of `piids` not used yet; size() when there is none.
size_t TakePlace(std::span<const uint16_t> piids, const Value& piid, std::vector<bool>& used) {
  for (size_t i = 0; i < piids.size(); ++i) {
    if (used[i] || piid.ToInt64() != int64_t{piids[i]}) continue;
    used[i] = true;
    return i;
  }
  return piids.size();
}

Checked CheckByName(const Model& model, const ArgumentRules& rules, const Array& arguments) {
  if (arguments.size() > rules.piids.size()) return {rules.wrong_count};
  if (arguments.size() < rules.piids.size() && !rules.may_be_partial) return {rules.wrong_count};
  std::vector<bool> used(rules.piids.size());
  for (const Value& argument : arguments) {
    if (!IsNamed(argument)) return {rules.wrong_value};
    const size_t place = TakePlace(rules.piids, *argument.Find("piid"), used);
    if (place == rules.piids.size()) return {rules.wrong_value};
    const Property* property = model.FindProperty(rules.siid, rules.piids[place]);
    if (property == nullptr) return {rules.wrong_value};
    const Checked checked = CheckValue(*property, *argument.Find("value"), rules.wrong_value);
    if (!checked.ok()) return checked;
  }
  return {};
}

// No format holds objects, so a list that starts with one is of the named form.
Checked CheckArguments(const Model& model, const ArgumentRules& rules, const Array& arguments) {
  const bool named = !arguments.empty() && arguments.front().is_object();
  const bool nothing_given = arguments.empty() && rules.may_be_partial;
  if (nothing_given) return {};
  return named ? CheckByName(model, rules, arguments) : CheckByOrder(model, rules, arguments);
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
    if (const std::optional<double> number = value.ToDouble()) return *number;
  }
  return value;
}

Checked ValidateSet(const Model& model, uint32_t siid, uint32_t piid, const Value& value) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid);
  if (!property->Can(kWrite)) return {Code::kNotWritable, Verdict::kOk, property};
  return CheckValue(*property, value, Code::kWrongValue);
}

Checked ValidateGet(const Model& model, uint32_t siid, uint32_t piid) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid);
  const bool readable = property->Can(kRead) || property->Can(kNotify);
  return {readable ? Code::kOk : Code::kNotReadable, Verdict::kOk, property};
}

Checked ValidateReport(const Model& model, uint32_t siid, uint32_t piid, const Value& value) {
  const Property* property = model.FindProperty(siid, piid);
  if (property == nullptr) return Missing(model, siid);
  return CheckValue(*property, value, Code::kWrongValue);
}

Checked ValidateActionIn(const Model& model, const Action& action, const Array& in) {
  return CheckArguments(
      model, {action.siid, action.in, Code::kWrongArgumentCount, Code::kWrongArgument, false}, in);
}

Checked ValidateActionOut(const Model& model, const Action& action, const Array& out) {
  return CheckArguments(
      model, {action.siid, action.out, Code::kWrongResultCount, Code::kWrongResult, false}, out);
}

Checked ValidateEvent(const Model& model, const Event& event, const Array& arguments,
                      const EventCheckOptions& options) {
  return CheckArguments(
      model,
      {event.siid, event.arguments, Code::kWrongResultCount, Code::kWrongArgument, options.partial},
      arguments);
}

}  // namespace homeport::model
