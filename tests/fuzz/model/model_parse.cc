// Any text as a product model: it is refused, or all of its parts are found by number and by path,
// every value its constraints name is valid, and it is no other than itself.
#include <cstddef>
#include <cstdint>
#include <variant>

#include "libs/base/check.h"
#include "libs/model/arguments.h"
#include "libs/model/compatibility.h"
#include "libs/model/model.h"
#include "libs/model/parse.h"
#include "libs/model/shadow_path.h"
#include "libs/model/validate.h"

namespace homeport::model {
namespace {

void CheckProperty(const Model& model, const Property& property) {
  HP_CHECK(model.FindProperty(property.siid, property.piid) == &property);
  HP_CHECK(property.path.size() > property.key.size());
  const Property* same_path = model.FindProperty(property.path);
  HP_CHECK(same_path != nullptr && same_path->path == property.path);
  const ShadowPath path = ToShadowPath(property);
  HP_CHECK(FromShadowPath(model, path.service, path.property) == &property);
}

void CheckConstraint(const Property& property) {
  if (const auto* range = std::get_if<IntRange>(&property.constraint)) {
    HP_CHECK(ValidateValue(property, range->min) == Verdict::kOk);
  } else if (const auto* floats = std::get_if<FloatRange>(&property.constraint)) {
    HP_CHECK(ValidateValue(property, floats->min) == Verdict::kOk);
  } else if (const auto* list = std::get_if<ValueList>(&property.constraint)) {
    for (const ListedValue& listed : *list) {
      HP_CHECK(ValidateValue(property, listed.value) == Verdict::kOk);
    }
  }
}

}  // namespace
}  // namespace homeport::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace model = homeport::model;
  const auto parsed = model::ParseModel({reinterpret_cast<const char*>(data), size});
  if (!parsed.ok()) return 0;
  HP_CHECK(model::Compare(*parsed, *parsed).differences.empty());
  for (const model::Property& property : parsed->properties()) {
    model::CheckProperty(*parsed, property);
    model::CheckConstraint(property);
  }
  for (const model::Action& action : parsed->actions()) {
    HP_CHECK(parsed->FindAction(action.siid, action.aiid) == &action);
    HP_CHECK(model::ValidateActionIn(*parsed, action, {}).ok() == action.in.empty());
  }
  for (const model::Event& event : parsed->events()) {
    HP_CHECK(parsed->FindEvent(event.siid, event.eiid) == &event);
  }
  return 0;
}
