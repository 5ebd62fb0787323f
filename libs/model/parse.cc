#include "libs/model/parse.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/model/builder.h"
#include "libs/model/format.h"

namespace homeport::model {
namespace {

using json::Array;
using json::Value;

// A place in the JSON, spelt out only for an error: services[2].properties[0].format.
struct Where {
  const Where* parent = nullptr;
  std::string_view key;
  int index = -1;

  [[nodiscard]] std::string ToString() const {
    std::string text = parent != nullptr ? parent->ToString() : std::string();
    if (!text.empty() && !key.empty()) text.push_back('.');
    text.append(key);
    if (index >= 0) text += fmt::format("[{}]", index);
    return text;
  }
};

absl::Status Refuse(const Where& where, std::string_view key, std::string_view reason) {
  const Where whole{&where, key, -1};
  const std::string place = whole.ToString();
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", place.empty() ? "instance" : place, reason));
}

// Reads the spec into DeviceSpec, counting against the limits.
class Reader {
 public:
  explicit Reader(const ParseModelLimits& limits)
      : services_left_(limits.services_max),
        parts_left_(limits.parts_max),
        listed_values_left_(limits.listed_values_max) {}

  absl::StatusOr<DeviceSpec> ReadDevice(const Value& instance);

 private:
  absl::StatusOr<ServiceSpec> ReadService(const Value& value, const Where& where);
  absl::StatusOr<PropertySpec> ReadProperty(const Value& value, const Where& where);
  absl::StatusOr<ActionSpec> ReadAction(const Value& value, const Where& where);
  absl::StatusOr<EventSpec> ReadEvent(const Value& value, const Where& where);
  absl::StatusOr<std::vector<ListedValue>> ReadListedValues(const Value& value, Format format,
                                                            const Where& where);
  // Reads the list under `key` with `read`, at most `left` items; of equal iids the first counts.
  template <typename Spec>
  absl::StatusOr<std::vector<Spec>> ReadParts(const Value& owner, const Where& where,
                                              std::string_view key, size_t& left,
                                              absl::StatusOr<Spec> (Reader::*read)(const Value&,
                                                                                   const Where&));

  size_t services_left_;
  size_t parts_left_;
  size_t listed_values_left_;
};

// The list under `key`; null, for a list that is null or missing.
absl::StatusOr<const Array*> ReadList(const Value& owner, const Where& where,
                                      std::string_view key) {
  const Value* value = owner.Find(key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (!value->is_array()) return Refuse(where, key, "not a list");
  return value->IfArray();
}

// In an instance nothing is optional. What the platform itself serves as null, a list
// of an action without arguments, is an empty one.
enum class Null : uint8_t { kIsEmpty, kIsWrong };
absl::StatusOr<const Array*> ReadNeededList(const Value& owner, const Where& where,
                                            std::string_view key, Null null) {
  const Value* value = owner.Find(key);
  if (value == nullptr) return Refuse(where, key, "missing");
  if (value->is_null() && null == Null::kIsWrong) return Refuse(where, key, "not a list");
  return ReadList(owner, where, key);
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

// "urn:<namespace>:<kind>:<name>[:<hex value>[:…]]". What stands behind the value differs even
// where the platform serves it; so does the length of the value.
bool IsUrnOf(std::string_view urn, std::string_view kind) {
  std::array<std::string_view, 5> parts;
  for (std::string_view& part : parts) {
    const size_t colon = urn.find(':');
    part = urn.substr(0, colon);
    urn = colon == std::string_view::npos ? std::string_view() : urn.substr(colon + 1);
  }
  return parts[0] == "urn" && !parts[1].empty() && parts[2] == kind && !parts[3].empty() &&
         IsHex(parts[4]);
}

std::string_view TextOrEmpty(const Value& owner, std::string_view key) {
  const Value* value = owner.Find(key);
  const std::string* text = value != nullptr ? value->IfString() : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

absl::StatusOr<std::string_view> ReadType(const Value& owner, const Where& where,
                                          std::string_view kind) {
  if (!owner.is_object()) return Refuse(where, "", "not an object");
  const std::string_view type = TextOrEmpty(owner, "type");
  if (type.empty()) return Refuse(where, "type", "missing or no text");
  if (!IsUrnOf(type, kind)) return Refuse(where, "type", fmt::format("no URN of a {}", kind));
  return type;
}

std::optional<uint16_t> ToIid(const Value& value) {
  const std::optional<int64_t> number = value.ToInt64();
  if (!number || *number < 0 || *number > UINT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

absl::StatusOr<PartText> ReadPartText(const Value& owner, const Where& where,
                                      std::string_view kind) {
  PartText part{};
  HP_ASSIGN_OR_RETURN(part.type, ReadType(owner, where, kind));
  const Value* iid = owner.Find("iid");
  const std::optional<uint16_t> number = iid != nullptr ? ToIid(*iid) : std::nullopt;
  if (!number) return Refuse(where, "iid", "missing or no integer of 0..65535");
  part.iid = *number;
  part.description = TextOrEmpty(owner, "description");
  return part;
}

absl::StatusOr<uint8_t> ReadAccess(const Value& owner, const Where& where) {
  HP_ASSIGN_OR_RETURN(const Array* list, ReadNeededList(owner, where, "access", Null::kIsWrong));
  uint8_t access = 0;
  for (const Value& value : *list) {
    const std::string* word = value.IfString();
    if (word != nullptr && *word == "read") {
      access |= kRead;
    } else if (word != nullptr && *word == "write") {
      access |= kWrite;
    } else if (word != nullptr && *word == "notify") {
      access |= kNotify;
    } else {
      return Refuse(where, "access", "something else than read, write, notify");
    }
  }
  return access;
}

absl::StatusOr<Format> ReadFormat(const Value& owner, const Where& where) {
  const std::optional<Format> format = FormatFromText(TextOrEmpty(owner, "format"));
  if (!format) return Refuse(where, "format", "missing or unknown");
  return *format;
}

constexpr std::string_view kBadRange = "min above max, or a step of 0 or below";
constexpr std::string_view kBadSpan = "max is no whole number of steps from min";

absl::StatusOr<Constraint> ReadIntRange(const Array& list, Format format, const Where& where) {
  std::array<int64_t, 3> numbers{};
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::optional<int64_t> number = list[i].ToInt64();
    if (!number) return Refuse(where, "value-range", "no whole number for an integer format");
    numbers[i] = *number;
  }
  const auto [min, max, step] = numbers;
  const IntBounds bounds = BoundsOf(format);
  if (min > max || step <= 0) return Refuse(where, "value-range", kBadRange);
  if (min < bounds.min || max > bounds.max) {
    return Refuse(where, "value-range", "beyond the format");
  }
  const uint64_t span = static_cast<uint64_t>(max) - static_cast<uint64_t>(min);
  if (span % static_cast<uint64_t>(step) != 0) return Refuse(where, "value-range", kBadSpan);
  return IntRange{min, max, step};
}

absl::StatusOr<Constraint> ReadFloatRange(const Array& list, const Where& where) {
  const double min = *list[0].ToDouble();
  const double max = *list[1].ToDouble();
  const double step = *list[2].ToDouble();
  if (!std::isfinite(max - min) || min > max || step <= 0) {
    return Refuse(where, "value-range", kBadRange);
  }
  const double steps = (max - min) / step;
  constexpr double kTolerance = 1e-6;  // of a step, or relative where there are many
  if (std::fabs(steps - std::round(steps)) > kTolerance * std::max(1.0, steps)) {
    return Refuse(where, "value-range", kBadSpan);
  }
  return FloatRange{min, max, step};
}

absl::StatusOr<Constraint> ReadRange(const Value& owner, Format format, const Where& where) {
  HP_ASSIGN_OR_RETURN(const Array* list, ReadList(owner, where, "value-range"));
  if (list == nullptr) return Constraint();
  if (!IsNumber(format)) return Refuse(where, "value-range", "on a bool or string");
  if (list->size() != 3) return Refuse(where, "value-range", "not three numbers");
  for (const Value& number : *list) {
    if (!number.is_number()) return Refuse(where, "value-range", "not three numbers");
  }
  return format == Format::kFloat ? ReadFloatRange(*list, where)
                                  : ReadIntRange(*list, format, where);
}

// Piids that must name properties of the service.
absl::StatusOr<std::vector<uint16_t>> ReadPiids(const Value& owner, const Where& where,
                                                std::string_view key, Null null) {
  HP_ASSIGN_OR_RETURN(const Array* list, ReadNeededList(owner, where, key, null));
  std::vector<uint16_t> piids;
  if (list == nullptr) return piids;
  piids.reserve(list->size());
  for (const Value& value : *list) {
    const std::optional<uint16_t> piid = ToIid(value);
    if (!piid) return Refuse(where, key, "not a list of piids");
    piids.push_back(*piid);
  }
  return piids;
}

// Every argument of actions and events is a property of the same service.
class ArgumentCheck {
 public:
  ArgumentCheck(const ServiceSpec& service, const Where& where) : service_(service), where_(where) {
    for (const PropertySpec& property : service.properties) known_.insert(property.part.iid);
  }

  absl::Status Run() const {
    for (const ActionSpec& action : service_.actions) {
      HP_RETURN_IF_ERROR(CheckPiids(action.in, "actions", action.part));
      HP_RETURN_IF_ERROR(CheckPiids(action.out, "actions", action.part));
    }
    for (const EventSpec& event : service_.events) {
      HP_RETURN_IF_ERROR(CheckPiids(event.arguments, "events", event.part));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckPiids(const std::vector<uint16_t>& piids, std::string_view list,
                          const PartText& part) const {
    for (const uint16_t piid : piids) {
      if (known_.count(piid) > 0) continue;
      return Refuse(where_, list,
                    fmt::format("iid {} has piid {}, which its service does not", part.iid, piid));
    }
    return absl::OkStatus();
  }

  const ServiceSpec& service_;
  const Where& where_;
  std::unordered_set<uint16_t> known_;
};

template <typename Spec>
absl::StatusOr<std::vector<Spec>> Reader::ReadParts(
    const Value& owner, const Where& where, std::string_view key, size_t& left,
    absl::StatusOr<Spec> (Reader::*read)(const Value&, const Where&)) {
  HP_ASSIGN_OR_RETURN(const Array* list, ReadList(owner, where, key));
  std::vector<Spec> specs;
  if (list == nullptr) return specs;
  if (list->size() > left) return Refuse(where, key, "too many");
  left -= list->size();
  std::unordered_set<uint16_t> seen;
  for (size_t i = 0; i < list->size(); ++i) {
    const Where here{&where, key, static_cast<int>(i)};
    HP_ASSIGN_OR_RETURN(Spec spec, (this->*read)((*list)[i], here));
    if (seen.insert(spec.part.iid).second) {
      specs.push_back(std::move(spec));
    } else if (key != "properties") {
      return Refuse(here, "iid", "that of another one before");
    }
  }
  return specs;
}

absl::StatusOr<std::vector<ListedValue>> Reader::ReadListedValues(const Value& owner, Format format,
                                                                  const Where& where) {
  HP_ASSIGN_OR_RETURN(const Array* list, ReadList(owner, where, "value-list"));
  std::vector<ListedValue> listed;
  if (list == nullptr) return listed;
  if (!IsNumber(format)) return Refuse(where, "value-list", "on a bool or string");
  if (list->size() > listed_values_left_) return Refuse(where, "value-list", "too many");
  listed_values_left_ -= list->size();
  const IntBounds bounds = BoundsOf(format);
  std::unordered_set<int64_t> seen;
  for (const Value& entry : *list) {
    const Value* value = entry.Find("value");
    const std::optional<int64_t> number = value != nullptr ? value->ToInt64() : std::nullopt;
    if (!number || *number < bounds.min || *number > bounds.max) {
      return Refuse(where, "value-list", "a value that is missing or does not fit the format");
    }
    if (!seen.insert(*number).second) return Refuse(where, "value-list", "a value stands twice");
    listed.push_back({*number, TextOrEmpty(entry, "description")});
  }
  return listed;
}

absl::StatusOr<PropertySpec> Reader::ReadProperty(const Value& value, const Where& where) {
  PropertySpec spec{};
  HP_ASSIGN_OR_RETURN(spec.part, ReadPartText(value, where, "property"));
  HP_ASSIGN_OR_RETURN(spec.format, ReadFormat(value, where));
  HP_ASSIGN_OR_RETURN(spec.access, ReadAccess(value, where));
  HP_ASSIGN_OR_RETURN(spec.constraint, ReadRange(value, spec.format, where));
  HP_ASSIGN_OR_RETURN(spec.listed_values, ReadListedValues(value, spec.format, where));
  if (!spec.listed_values.empty() && spec.constraint.index() != 0) {
    return Refuse(where, "value-list", "beside a value-range");
  }
  spec.unit = TextOrEmpty(value, "unit");
  return spec;
}

absl::StatusOr<ActionSpec> Reader::ReadAction(const Value& value, const Where& where) {
  ActionSpec spec{};
  HP_ASSIGN_OR_RETURN(spec.part, ReadPartText(value, where, "action"));
  HP_ASSIGN_OR_RETURN(spec.in, ReadPiids(value, where, "in", Null::kIsEmpty));
  HP_ASSIGN_OR_RETURN(spec.out, ReadPiids(value, where, "out", Null::kIsEmpty));
  return spec;
}

absl::StatusOr<EventSpec> Reader::ReadEvent(const Value& value, const Where& where) {
  EventSpec spec{};
  HP_ASSIGN_OR_RETURN(spec.part, ReadPartText(value, where, "event"));
  HP_ASSIGN_OR_RETURN(spec.arguments, ReadPiids(value, where, "arguments", Null::kIsWrong));
  return spec;
}

absl::StatusOr<ServiceSpec> Reader::ReadService(const Value& value, const Where& where) {
  ServiceSpec spec{};
  HP_ASSIGN_OR_RETURN(spec.part, ReadPartText(value, where, "service"));
  HP_ASSIGN_OR_RETURN(spec.properties,
                      ReadParts(value, where, "properties", parts_left_, &Reader::ReadProperty));
  HP_ASSIGN_OR_RETURN(spec.actions,
                      ReadParts(value, where, "actions", parts_left_, &Reader::ReadAction));
  HP_ASSIGN_OR_RETURN(spec.events,
                      ReadParts(value, where, "events", parts_left_, &Reader::ReadEvent));
  HP_RETURN_IF_ERROR(ArgumentCheck(spec, where).Run());
  return spec;
}

absl::StatusOr<DeviceSpec> Reader::ReadDevice(const Value& instance) {
  const Where root;
  DeviceSpec spec{};
  HP_ASSIGN_OR_RETURN(spec.type, ReadType(instance, root, "device"));
  spec.description = TextOrEmpty(instance, "description");
  HP_ASSIGN_OR_RETURN(spec.services,
                      ReadParts(instance, root, "services", services_left_, &Reader::ReadService));
  return spec;
}

}  // namespace

absl::StatusOr<Model> ParseModel(std::string_view text, const ParseModelLimits& limits) {
  HP_ASSIGN_OR_RETURN(const Value instance,
                      json::Parse(text, {.depth_max = 16, .bytes_max = limits.bytes_max}));
  return ModelFromJson(instance, limits);
}

absl::StatusOr<Model> ModelFromJson(const Value& instance, const ParseModelLimits& limits) {
  const Value* wrapped = instance.Find("instance");
  HP_ASSIGN_OR_RETURN(const DeviceSpec spec,
                      Reader(limits).ReadDevice(wrapped != nullptr ? *wrapped : instance));
  return BuildModel(spec);
}

}  // namespace homeport::model
