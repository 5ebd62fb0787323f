#include "libs/model/shadow_path.h"

namespace homeport::model {

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

std::vector<FoundProperty> FindProperties(const Model& model, const json::Object& state) {
  std::vector<FoundProperty> found;
  for (const Service& service : model.services()) {
    const json::Object* section = state.FindObject(service.key);
    if (section == nullptr) continue;
    for (const Property& property : service.properties) {
      const json::Value* value = section->Find(property.key);
      if (value != nullptr && !value->is_null()) found.push_back({&property, value});
    }
  }
  return found;
}

}  // namespace homeport::model
