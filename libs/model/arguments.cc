#include "libs/model/arguments.h"

#include <optional>
#include <string>
#include <vector>

namespace homeport::model {
namespace {

using json::Array;
using json::Value;

// A list of the model, and with which codes what is given for it is refused.
struct Rules {
  uint16_t siid;
  std::span<const uint16_t> piids;
  Code wrong_count;
  Code wrong_value;
  Code stranger;     // another property, or one that was given already
  Code no_property;  // there is no such property
  Code no_id;        // nothing that can be its number or name
};

// An entry of the form {"piid" or "name", "value"}.
struct Named {
  std::optional<int64_t> piid;
  const std::string* name = nullptr;
  const Value* value = nullptr;
};

Named ReadNamed(const Value& entry) {
  Named named;
  const json::Object* object = entry.IfObject();
  if (object == nullptr) return named;
  named.piid = object->FindInt64("piid");
  named.name = object->FindString("name");
  named.value = object->Find("value");
  return named;
}

bool Means(const Named& named, const Property& property) {
  if (named.piid) return *named.piid == int64_t{property.piid};
  return named.name != nullptr && (*named.name == property.key || *named.name == property.path);
}

// The first place of the argument among those not used yet; size() when there is none.
size_t FindPlace(const Model& model, const Rules& rules, const Named& named,
                 const std::vector<bool>& used) {
  for (size_t i = 0; i < rules.piids.size(); ++i) {
    const Property* property = model.FindProperty(rules.siid, rules.piids[i]);
    if (!used[i] && property != nullptr && Means(named, *property)) return i;
  }
  return rules.piids.size();
}

// Why the argument has no place.
Code StrangerCode(const Model& model, const Rules& rules, const Named& named) {
  if ((!named.piid && named.name == nullptr) || named.piid.value_or(0) < 0) return rules.no_id;
  for (const Property& property : model.FindService(rules.siid)->properties) {
    if (Means(named, property)) return rules.stranger;
  }
  return rules.no_property;
}

Checked CheckOne(const Model& model, const Rules& rules, size_t place, const Value* value) {
  const Property* property = model.FindProperty(rules.siid, rules.piids[place]);
  if (property == nullptr) return {rules.no_property};
  if (value == nullptr) return {rules.wrong_value, Verdict::kWrongType, property};
  const Verdict verdict = ValidateValue(*property, *value);
  return {verdict == Verdict::kOk ? Code::kOk : rules.wrong_value, verdict, property};
}

// No format holds objects, so a list that starts with one is of the named form.
bool IsNamed(const Array& arguments) { return !arguments.empty() && arguments[0].is_object(); }

Checked CheckByName(const Model& model, const Rules& rules, const Array& arguments) {
  std::vector<bool> used(rules.piids.size());
  for (const Value& entry : arguments) {
    const Named named = ReadNamed(entry);
    const size_t place = FindPlace(model, rules, named, used);
    if (place == rules.piids.size()) return {StrangerCode(model, rules, named)};
    used[place] = true;
    if (const Checked checked = CheckOne(model, rules, place, named.value); !checked.ok()) {
      return checked;
    }
  }
  return {};
}

Checked Check(const Model& model, const Rules& rules, const Array& arguments) {
  if (arguments.size() != rules.piids.size()) return {rules.wrong_count};
  if (IsNamed(arguments)) return CheckByName(model, rules, arguments);
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (const Checked checked = CheckOne(model, rules, i, &arguments[i]); !checked.ok()) {
      return checked;
    }
  }
  return {};
}

}  // namespace

Checked ValidateActionIn(const Model& model, const Action& action, const Array& in) {
  constexpr Code kWrong = Code::kWrongArgument;
  return Check(model,
               {action.siid, action.in, Code::kWrongArgumentCount, kWrong, kWrong, kWrong, kWrong},
               in);
}

Checked ValidateActionOut(const Model& model, const Action& action, const Array& out) {
  constexpr Code kWrong = Code::kWrongResult;
  return Check(model,
               {action.siid, action.out, Code::kWrongResultCount, kWrong, kWrong, kWrong, kWrong},
               out);
}

Checked ValidateEvent(const Model& model, const Event& event, const Array& arguments) {
  return Check(model,
               {event.siid, event.arguments, Code::kWrongResultCount, Code::kWrongValue,
                Code::kWrongResultCount, Code::kNoProperty, Code::kInvalidId},
               arguments);
}

Array ArrangeArguments(const Model& model, uint32_t siid, std::span<const uint16_t> piids,
                       const Array& arguments) {
  Rules rules{};
  rules.siid = static_cast<uint16_t>(siid);
  rules.piids = piids;
  const bool is_named = IsNamed(arguments);
  std::vector<bool> used(piids.size());
  Array arranged(piids.size());
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Named named = is_named ? ReadNamed(arguments[i]) : Named{{}, nullptr, &arguments[i]};
    const size_t place = is_named ? FindPlace(model, rules, named, used) : i;
    used[place] = true;
    arranged[place] = Normalise(*model.FindProperty(siid, piids[place]), *named.value);
  }
  return arranged;
}

}  // namespace homeport::model
