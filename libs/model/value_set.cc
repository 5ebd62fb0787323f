#include "libs/model/value_set.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <variant>

#include "libs/base/strings.h"
#include "libs/model/format.h"
#include "libs/model/validate.h"

namespace homeport::model {
namespace {

// How far from a whole number the ratio of two float steps may be: steps such as 0.1 are not exact.
constexpr double kRatioTolerance = 1e-6;

const ValueList* ListOf(const Property& property) {
  return std::get_if<ValueList>(&property.constraint);
}

uint64_t Distance(int64_t low, int64_t high) {
  return static_cast<uint64_t>(high) - static_cast<uint64_t>(low);  // may exceed int64
}

// The range of an integer property that has no list.
IntRange RangeOf(const Property& property) {
  const auto* given = std::get_if<IntRange>(&property.constraint);
  const IntBounds bounds = BoundsOf(property.format);
  return given != nullptr ? *given : IntRange{bounds.min, bounds.max, 1};
}

bool Covers(const IntRange& outer, const IntRange& inner) {
  if (inner.min < outer.min || inner.max > outer.max) return false;
  const auto step = static_cast<uint64_t>(outer.step);
  if (Distance(outer.min, inner.min) % step != 0) return false;
  return inner.min == inner.max || static_cast<uint64_t>(inner.step) % step == 0;
}

bool Covers(const Property& outer, const ValueList& inner) {
  return std::all_of(inner.begin(), inner.end(), [&outer](const ListedValue& listed) {
    return ValidateValue(outer, listed.value) == Verdict::kOk;
  });
}

// A range has no more values than a list that covers it.
bool Covers(const ValueList& outer, const IntRange& inner) {
  std::set<int64_t> values;
  for (const ListedValue& listed : outer) values.insert(listed.value);
  const uint64_t steps = Distance(inner.min, inner.max) / static_cast<uint64_t>(inner.step);
  if (steps >= values.size()) return false;
  int64_t value = inner.min;
  for (uint64_t i = 0; i < steps; ++i, value += inner.step) {
    if (values.count(value) == 0) return false;
  }
  return values.count(inner.max) != 0;
}

bool Covers(const ValueList& outer, const FloatRange& inner, const Property& outer_property) {
  const double steps = std::round((inner.max - inner.min) / inner.step);
  if (!(steps < static_cast<double>(outer.size()))) return false;
  for (int i = 0; i <= static_cast<int>(steps); ++i) {
    if (ValidateValue(outer_property, inner.min + i * inner.step) != Verdict::kOk) return false;
  }
  return true;
}

bool CoversFloats(const Property& outer, const Property& inner) {
  const auto* wide = std::get_if<FloatRange>(&outer.constraint);
  const auto* narrow = std::get_if<FloatRange>(&inner.constraint);
  if (const ValueList* list = ListOf(outer)) {
    return narrow != nullptr && Covers(*list, *narrow, outer);
  }
  if (wide == nullptr) return true;
  if (narrow == nullptr) return false;
  if (ValidateValue(outer, narrow->min) != Verdict::kOk) return false;
  if (narrow->min == narrow->max) return true;
  if (narrow->max > wide->max && ValidateValue(outer, narrow->max) != Verdict::kOk) return false;
  const double ratio = narrow->step / wide->step;
  return ratio >= 0.5 && std::fabs(ratio - std::round(ratio)) <= kRatioTolerance * ratio;
}

// Whether `outer` allows every value that `inner` allows.
bool Covers(const Property& outer, const Property& inner) {
  if (const ValueList* list = ListOf(inner)) return Covers(outer, *list);
  if (outer.format == Format::kFloat) return CoversFloats(outer, inner);
  if (const ValueList* list = ListOf(outer)) return Covers(*list, RangeOf(inner));
  return Covers(RangeOf(outer), RangeOf(inner));
}

std::string DescribeList(const ValueList& list) {
  constexpr size_t kShownMax = 100;
  std::string text;
  for (const ListedValue& listed : list.first(std::min(list.size(), kShownMax))) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", listed.value);
  }
  if (list.size() > kShownMax) text += fmt::format(" and {} more", list.size() - kShownMax);
  return text;
}

}  // namespace

ValuesChange CompareValues(const Property& was, const Property& now) {
  if (!IsNumber(was.format)) return ValuesChange::kSame;
  if (!Covers(now, was)) return ValuesChange::kOther;
  return Covers(was, now) ? ValuesChange::kSame : ValuesChange::kWider;
}

std::string DescribeValues(const Property& property) {
  if (const ValueList* list = ListOf(property)) return DescribeList(*list);
  if (const auto* range = std::get_if<IntRange>(&property.constraint)) {
    return fmt::format("{}..{} step {}", range->min, range->max, range->step);
  }
  if (const auto* range = std::get_if<FloatRange>(&property.constraint)) {
    return fmt::format("{}..{} step {}", range->min, range->max, range->step);
  }
  return fmt::format("any {}", ToText(property.format));
}

}  // namespace homeport::model
