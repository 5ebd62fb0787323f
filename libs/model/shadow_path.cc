#include "libs/model/shadow_path.h"

#include <string>
#include <utility>

#include "libs/model/validate.h"

namespace homeport::model {
namespace {

using json::Object;
using json::Value;

// The object under `key`, made when missing. REQUIRES: nothing else stands there.
Object& ObjectAt(Object& parent, std::string_view key) {
  Value* present = parent.Find(key);
  if (present == nullptr) present = &parent.Append(std::string(key), Object());
  return *present->IfObject();
}

}  // namespace

ShadowPath ToShadowPath(const Property& property) {
  // path is <service key>.<key>.
  const size_t service_bytes = property.path.size() - property.key.size() - 1;
  return {property.path.substr(0, service_bytes), property.key};
}

const Property* FromShadowPath(const Model& model, std::string_view service,
                               std::string_view property) {
  const Service* found = model.FindService(service);
  if (found == nullptr) return nullptr;
  for (const Property& candidate : found->properties) {
    if (candidate.key == property) return &candidate;
  }
  return nullptr;
}

Patch BuildPatch(const Model& model, std::span<const PropertyValue> values) {
  Patch patch;
  for (const PropertyValue& given : values) {
    const Checked checked = ValidateReport(model, given.siid, given.piid, given.value);
    if (!checked.ok()) {
      if (patch.refused++ == 0) patch.first_code = checked.code;
      continue;
    }
    const ShadowPath path = ToShadowPath(*checked.property);
    ObjectAt(patch.state, path.service)
        .Set(path.property, Normalise(*checked.property, given.value));
  }
  return patch;
}

std::vector<FoundProperty> FindProperties(const Model& model, const Object& state) {
  std::vector<FoundProperty> found;
  for (const Service& service : model.services()) {
    const Object* section = state.FindObject(service.key);
    if (section == nullptr) continue;
    for (const Property& property : service.properties) {
      const Value* value = section->Find(property.key);
      if (value != nullptr && !value->is_null()) found.push_back({&property, value});
    }
  }
  return found;
}

}  // namespace homeport::model
