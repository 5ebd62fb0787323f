#include "services/registry/core/report.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/model/missing.h"
#include "libs/model/shadow_path.h"
#include "libs/model/validate.h"

namespace homeport::registry {
namespace {

constexpr size_t kNameBytesMax = 256;

// Where a value goes below `reported`. Views into the parameter or the model.
struct Place {
  std::string_view service;
  std::string_view property;
};

struct Param {
  model::GivenId id;
  const std::string* name = nullptr;
  json::Value* value = nullptr;
};

Param ReadParam(json::Object& object) {
  Param param;
  param.id = {object.FindInt64("siid"), object.FindInt64("piid")};
  param.name = object.FindString("name");
  param.value = object.Find("value");
  return param;
}

bool IsIid(std::optional<int64_t> number) { return number && std::in_range<uint32_t>(*number); }

// A value no model vouches for: no deeper than `levels`, no null, which in a patch means removal.
bool FitsShadow(const json::Value& value, int levels) {
  if (value.is_null() || levels < 0) return false;
  if (const json::Array* array = value.IfArray()) {
    return std::all_of(array->begin(), array->end(),
                       [&](const json::Value& v) { return FitsShadow(v, levels - 1); });
  }
  if (const json::Object* object = value.IfObject()) {
    return std::all_of(object->begin(), object->end(),
                       [&](const json::Member& m) { return FitsShadow(m.value, levels - 1); });
  }
  return true;
}

void Put(json::Object& patch, const Place& place, json::Value value) {
  json::Value* service = patch.Find(place.service);
  if (service == nullptr || service->IfObject() == nullptr) {
    service = &patch.Set(place.service, json::Object());
  }
  service->IfObject()->Set(place.property, std::move(value));
}

class Reader {
 public:
  Reader(const model::Model* model, int depth_max, Report& report)
      : model_(model), depth_max_(depth_max), report_(report) {}

  void Read(json::Value& element) {
    json::Object* object = element.IfObject();
    Param param = object == nullptr ? Param() : ReadParam(*object);
    const model::Code code = object == nullptr   ? model::Code::kInvalidId
                             : model_ == nullptr ? ReadFree(param)
                                                 : ReadModelled(param);
    if (code == model::Code::kOk) return;
    report_.refused.push_back(
        {param.id.siid, param.id.iid, param.name == nullptr ? "" : *param.name, code});
  }

 private:
  model::Code ReadModelled(Param& param) {
    const model::Property* property = param.name != nullptr
                                          ? model_->FindProperty(std::string_view(*param.name))
                                          : model::FindProperty(*model_, param.id);
    if (property == nullptr) {
      return param.name != nullptr
                 ? model::MissingCode(*model_, *param.name, model::Part::kProperty)
                 : model::MissingCode(*model_, param.id, model::Part::kProperty);
    }
    if (param.value == nullptr) return model::Code::kWrongValue;
    if (model::ValidateValue(*property, *param.value) != model::Verdict::kOk) {
      return model::Code::kWrongValue;
    }
    const model::ShadowPath path = model::ToShadowPath(*property);
    Put(report_.patch, {path.service, path.property}, model::Normalise(*property, *param.value));
    return model::Code::kOk;
  }

  model::Code ReadFree(Param& param) {
    std::string by_number[2];
    Place place;
    if (param.name != nullptr) {
      const std::string_view name = *param.name;
      const size_t dot = name.find('.');
      if (name.size() > kNameBytesMax || dot == 0 || dot >= name.size() - 1) {
        return model::Code::kInvalidId;
      }
      place = {name.substr(0, dot), name.substr(dot + 1)};
    } else {
      if (!IsIid(param.id.siid) || !IsIid(param.id.iid)) return model::Code::kInvalidId;
      by_number[0] = fmt::format("s{}", *param.id.siid);
      by_number[1] = fmt::format("p{}", *param.id.iid);
      place = {by_number[0], by_number[1]};
    }
    constexpr int kLevelsAbove = 2;  // the service and the property
    if (param.value == nullptr || !FitsShadow(*param.value, depth_max_ - kLevelsAbove)) {
      return model::Code::kWrongValue;
    }
    Put(report_.patch, place, std::move(*param.value));
    return model::Code::kOk;
  }

  const model::Model* model_;
  int depth_max_;
  Report& report_;
};

Report Malformed(std::string_view complaint, json::Value id) {
  Report report;
  report.malformed = true;
  report.complaint = complaint;
  report.id = std::move(id);
  return report;
}

void AppendParam(const RefusedParam& param, std::string& out) {
  if (param.name.empty()) {
    out.push_back('{');
    if (param.siid) out += fmt::format(R"("siid":{},)", *param.siid);
    if (param.piid) out += fmt::format(R"("piid":{},)", *param.piid);
  } else {
    out += R"({"name":)";
    json::PrintString(param.name, out);
    out.push_back(',');
  }
  out += fmt::format(R"("code":{}}})", static_cast<int32_t>(param.code));
}

}  // namespace

std::optional<int64_t> Report::number() const {
  const int64_t* number = id.IfInt64();
  return number != nullptr && *number >= 0 ? std::optional(*number) : std::nullopt;
}

const std::string* NamedModel(const json::Value& document) {
  const json::Value* named = document.Find("model");
  return named == nullptr ? nullptr : named->IfString();
}

Report ReadReport(json::Value document, const model::Model* model, int depth_max) {
  json::Object* root = document.IfObject();
  if (root == nullptr) return Malformed("the report is no object", {});
  json::Value* id = root->Find("id");
  json::Value echoed;
  if (id != nullptr && (id->is_string() || id->is_number())) echoed = std::move(*id);
  json::Value* params = root->Find("params");
  json::Array none;
  json::Array* array = params == nullptr ? nullptr : params->IfArray();
  if (params == nullptr && root->FindString("model") != nullptr) array = &none;
  if (array == nullptr) return Malformed("params is no list", std::move(echoed));
  if (array->size() > kReportParamsMax) return Malformed("too many params", std::move(echoed));
  Report report;
  report.id = std::move(echoed);
  report.ts = root->FindInt64("ts");
  Reader reader(model, depth_max, report);
  for (json::Value& element : *array) reader.Read(element);
  return report;
}

std::string RefusedAnswer(const json::Value& id, model::Code code, std::string_view message,
                          const std::vector<RefusedParam>& params) {
  std::string out = "{";
  if (!id.is_null()) {
    out += R"("id":)";
    json::Print(id, out);
    out.push_back(',');
  }
  out += fmt::format(R"("code":{},"message":)", static_cast<int32_t>(code));
  json::PrintString(message, out);
  if (!params.empty()) {
    out += R"(,"params":[)";
    for (const RefusedParam& param : params) {
      if (&param != &params.front()) out.push_back(',');
      AppendParam(param, out);
    }
    out.push_back(']');
  }
  out.push_back('}');
  return out;
}

}  // namespace homeport::registry
