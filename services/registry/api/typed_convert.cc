#include "services/registry/api/typed_convert.h"

#include <string>
#include <utility>

#include "libs/json/print.h"
#include "libs/model/shadow_path.h"
#include "libs/model/validate.h"
#include "services/registry/api/convert.h"

namespace homeport::registry {
namespace {

using product::v1::PropertyState;
using product::v1::TypedAction;
using product::v1::TypedEvent;
using product::v1::TypedProperty;
using product::v1::TypedService;
using type::v1::Value;

constexpr int kDifferencesMax = 200;

std::string Text(std::string_view text) { return std::string(text); }

// The enums have the same order, behind UNSPECIFIED.
product::v1::Format ToProto(model::Format format) {
  return static_cast<product::v1::Format>(static_cast<int>(format) + 1);
}
product::v1::Upgrade ToProto(model::Upgrade upgrade) {
  return static_cast<product::v1::Upgrade>(static_cast<int>(upgrade) + 1);
}

template <typename Range>
void FillRange(const Range& range, product::v1::ValueRange& out) {
  FillValue(range.min, *out.mutable_min());
  FillValue(range.max, *out.mutable_max());
  FillValue(range.step, *out.mutable_step());
}

void Fill(const model::Property& property, const model::Titles& titles, TypedProperty& out) {
  out.set_siid(property.siid);
  out.set_piid(property.piid);
  out.set_name(Text(property.path));
  out.set_type(Text(property.type));
  out.set_title(Text(titles.Of(property)));
  out.set_format(ToProto(property.format));
  out.set_readable(property.Can(model::kRead));
  out.set_writable(property.Can(model::kWrite));
  out.set_notifying(property.Can(model::kNotify));
  out.set_unit(Text(property.unit));
  if (const auto* ints = std::get_if<model::IntRange>(&property.constraint)) {
    FillRange(*ints, *out.mutable_value_range());
  } else if (const auto* floats = std::get_if<model::FloatRange>(&property.constraint)) {
    FillRange(*floats, *out.mutable_value_range());
  } else if (const auto* list = std::get_if<model::ValueList>(&property.constraint)) {
    for (size_t place = 0; place < list->size(); ++place) {
      product::v1::ListedValue& listed = *out.add_value_list();
      listed.set_value((*list)[place].value);
      listed.set_title(Text(titles.OfListed(property, place)));
    }
  }
}

void Fill(const model::Action& action, const model::Titles& titles, TypedAction& out) {
  out.set_siid(action.siid);
  out.set_aiid(action.aiid);
  out.set_name(Text(action.path));
  out.set_type(Text(action.type));
  out.set_title(Text(titles.Of(action)));
  for (const uint16_t piid : action.in) out.add_in(piid);
  for (const uint16_t piid : action.out) out.add_out(piid);
}

void Fill(const model::Event& event, const model::Titles& titles, TypedEvent& out) {
  out.set_siid(event.siid);
  out.set_eiid(event.eiid);
  out.set_name(Text(event.path));
  out.set_type(Text(event.type));
  out.set_title(Text(titles.Of(event)));
  for (const uint16_t piid : event.arguments) out.add_arguments(piid);
}

// One section of a shadow, from which the properties are taken out one by one.
class TypedSection {
 public:
  explicit TypedSection(const shadow::Section& section)
      : times_(section.times), rest_(section.state) {}

  // Whether it holds a value of the property; then `value` and `time_ms` are it.
  bool Take(const model::Property& property, json::Value& value, int64_t& time_ms) {
    const model::ShadowPath path = model::ToShadowPath(property);
    json::Value* service = rest_.Find(path.service);
    json::Object* leaves = service == nullptr ? nullptr : service->IfObject();
    json::Value* found = leaves == nullptr ? nullptr : leaves->Find(path.property);
    if (found == nullptr || model::ValidateValue(property, *found) != model::Verdict::kOk) {
      return false;
    }
    value = model::Normalise(property, *found);
    leaves->Erase(path.property);
    if (leaves->empty()) rest_.Erase(path.service);
    const json::Object* times = times_.FindObject(path.service);
    time_ms = 1000 * (times == nullptr ? 0 : times->FindInt64(path.property).value_or(0));
    return true;
  }

  json::Object TakeRest() { return std::move(rest_); }

 private:
  const json::Object& times_;
  json::Object rest_;
};

void FillState(const model::Property& property, TypedSection& reported, TypedSection& desired,
               const model::Titles* titles, product::v1::TypedShadow& out) {
  json::Value value, wanted;
  int64_t reported_ms = 0, desired_ms = 0;
  const bool has_value = reported.Take(property, value, reported_ms);
  const bool is_wanted = desired.Take(property, wanted, desired_ms);
  if (!has_value && !is_wanted) return;
  PropertyState& state = *out.add_properties();
  state.set_siid(property.siid);
  state.set_piid(property.piid);
  state.set_name(Text(property.path));
  if (titles != nullptr) state.set_title(Text(titles->Of(property)));
  if (has_value) {
    FillValue(value, *state.mutable_reported());
    *state.mutable_reported_time() = ToTimestamp(reported_ms);
  }
  if (is_wanted) {
    FillValue(wanted, *state.mutable_desired());
    *state.mutable_desired_time() = ToTimestamp(desired_ms);
  }
}

}  // namespace

void FillValue(const json::Value& value, Value& out) {
  if (const bool* b = value.IfBool()) out.set_bool_value(*b);
  if (const int64_t* i = value.IfInt64()) out.set_int_value(*i);
  if (const double* d = value.IfDouble()) out.set_double_value(*d);
  if (const std::string* s = value.IfString()) out.set_string_value(*s);
}

void FillModel(const model::Model& model, const model::Titles& titles,
               product::v1::TypedModel& out) {
  out.set_urn(Text(model.urn()));
  out.set_title(Text(titles.Of(model)));
  for (const model::Service& service : model.services()) {
    TypedService& typed = *out.add_services();
    typed.set_siid(service.siid);
    typed.set_name(Text(service.key));
    typed.set_type(Text(service.type));
    typed.set_title(Text(titles.Of(service)));
    for (const model::Property& p : service.properties) Fill(p, titles, *typed.add_properties());
    for (const model::Action& a : service.actions) Fill(a, titles, *typed.add_actions());
    for (const model::Event& e : service.events) Fill(e, titles, *typed.add_events());
  }
}

void FillShadow(const model::Model& model, const shadow::Document& document,
                const model::Titles* titles, product::v1::TypedShadow& out) {
  out.set_version(document.version);
  TypedSection reported(document.reported);
  TypedSection desired(document.desired);
  for (const model::Property& property : model.properties()) {
    FillState(property, reported, desired, titles, out);
  }
  json::Object other;
  if (json::Object rest = desired.TakeRest(); !rest.empty()) {
    other.Append("desired", std::move(rest));
  }
  if (json::Object rest = reported.TakeRest(); !rest.empty()) {
    other.Append("reported", std::move(rest));
  }
  out.set_other_json(json::Print(other));
}

void FillUpgrade(const model::Comparison& comparison, product::v1::ModelVersion& out) {
  out.set_upgrade(ToProto(comparison.upgrade));
  for (const model::Difference& difference : comparison.differences) {
    if (out.differences_size() == kDifferencesMax) return;
    product::v1::Difference& shown = *out.add_differences();
    shown.set_upgrade(ToProto(difference.upgrade));
    shown.set_aspect(Text(ToText(difference.aspect)));
    shown.set_path(difference.path);
    shown.set_was(difference.was);
    shown.set_is(difference.is);
  }
}

}  // namespace homeport::registry
