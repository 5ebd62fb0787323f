#include "services/fleet/sim/kind.h"

#include <fmt/format.h>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/parse.h"

namespace homeport::fleet {
namespace {

absl::Status NotThere(const KindSpec& spec, std::string_view path) {
  return absl::InternalError(fmt::format("the model of {} has no {}", spec.name, path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Kind>> MakeKind(const KindSpec& spec) {
  auto parsed = model::ParseModel(spec.model_json);
  if (!parsed.ok()) {
    return absl::InternalError(fmt::format("{}: {}", spec.name, Message(parsed.status())));
  }
  auto kind = std::make_unique<Kind>(spec, std::move(parsed).value());
  for (const PropertyRule& rule : spec.properties) {
    const model::Property* property = kind->model.FindProperty(rule.path);
    if (property == nullptr) return NotThere(spec, rule.path);
    const model::Property* source = nullptr;
    if (!rule.source.empty()) {
      source = kind->model.FindProperty(rule.source);
      if (source == nullptr) return NotThere(spec, rule.source);
    }
    kind->rules.push_back({&rule, property, source});
  }
  for (const EventRule& rule : spec.events) {
    const model::Property* property = kind->model.FindProperty(rule.path);
    const model::Event* when_true = kind->model.FindEvent(rule.when_true);
    const model::Event* when_false = kind->model.FindEvent(rule.when_false);
    if (property == nullptr || when_true == nullptr || when_false == nullptr) {
      return NotThere(spec, rule.path);
    }
    kind->events.push_back({property, when_true, when_false});
  }
  return kind;
}

absl::StatusOr<std::vector<std::unique_ptr<Kind>>> MakeCatalog() {
  std::vector<std::unique_ptr<Kind>> kinds;
  for (const KindSpec& spec : Catalog()) {
    HP_ASSIGN_OR_RETURN(std::unique_ptr<Kind> kind, MakeKind(spec));
    kinds.push_back(std::move(kind));
  }
  return kinds;
}

}  // namespace homeport::fleet
