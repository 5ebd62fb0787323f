#include "libs/model/migrate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/base/strings.h"
#include "libs/model/compatibility.h"
#include "libs/model/shadow_path.h"
#include "libs/model/validate.h"

namespace homeport::model {
namespace {

using json::Member;
using json::Object;
using json::Value;

bool HasUnit(const Property& property) { return !property.unit.empty() && property.unit != "none"; }

// The object under `key` of a patch, made when missing.
Object& ServiceAt(Object& patch, std::string_view key) {
  Value* present = patch.Find(key);
  if (present == nullptr) present = &patch.Append(std::string(key), Object());
  return *present->IfObject();
}

bool IsNull(const Member& member) { return member.value.is_null(); }

class Migrator {
 public:
  Migrator(const Model* was, const Model& now, const Object& state)
      : was_(was), now_(now), state_(state) {}

  Migration Run() {
    for (const Member& service : state_) {
      const Object* leaves = service.value.IfObject();
      if (leaves == nullptr) continue;
      for (const Member& leaf : *leaves) MigrateLeaf(service.key, leaf);
    }
    PutMoved();
    RemoveEmptied();
    return std::move(result_);
  }

 private:
  struct Arrival {
    ShadowPath place;
    Value value;
  };

  void MigrateLeaf(std::string_view service, const Member& leaf) {
    const Property* old = was_ == nullptr ? nullptr : FromShadowPath(*was_, service, leaf.key);
    const Property* property = old == nullptr ? FromShadowPath(now_, service, leaf.key)
                                              : now_.FindProperty(old->siid, old->piid);
    if (old == nullptr && property == nullptr) return;
    if (const std::optional<Loss> loss = LossOf(old, property, leaf.value)) {
      ServiceAt(result_.patch, service).Append(leaf.key, nullptr);
      result_.lost.push_back({fmt::format("{}.{}", service, leaf.key), *loss});
      return;
    }
    if (old == nullptr || old->path == property->path) return;
    ServiceAt(result_.patch, service).Append(leaf.key, nullptr);
    result_.moved.push_back({std::string(old->path), std::string(property->path)});
    arrivals_.push_back({ToShadowPath(*property), Normalise(*property, leaf.value)});
  }

  // `old` is null where only the new version has a property there.
  [[nodiscard]] std::optional<Loss> LossOf(const Property* old, const Property* property,
                                           const Value& value) const {
    if (property == nullptr) return Loss::kGone;
    if (old != nullptr) {
      const Service& old_service = *was_->FindService(old->siid);
      const Service& service = *now_.FindService(property->siid);
      if (!IsSameType(old->type, property->type) || !IsSameType(old_service.type, service.type)) {
        return Loss::kOtherType;
      }
      if (HasUnit(*old) && HasUnit(*property) && old->unit != property->unit) {
        return Loss::kOtherUnit;
      }
    }
    if (ValidateValue(*property, value) != Verdict::kOk) return Loss::kWrongValue;
    return std::nullopt;
  }

  // Behind all removals: a value may move to where another one stood.
  void PutMoved() {
    for (Arrival& arrival : arrivals_) {
      ServiceAt(result_.patch, arrival.place.service)
          .Set(arrival.place.property, std::move(arrival.value));
    }
  }

  // A service that keeps none of its values goes as a whole.
  void RemoveEmptied() {
    for (Member& service : result_.patch) {
      const Object& changes = *service.value.IfObject();
      const Object* leaves = state_.FindObject(service.key);
      if (leaves != nullptr && changes.size() == leaves->size() &&
          std::all_of(changes.begin(), changes.end(), IsNull)) {
        service.value = nullptr;
      }
    }
  }

  const Model* was_;
  const Model& now_;
  const Object& state_;
  std::vector<Arrival> arrivals_;
  Migration result_;
};

}  // namespace

std::string_view ToText(Loss loss) {
  switch (loss) {
    case Loss::kGone:
      return "no such property any more";
    case Loss::kOtherType:
      return "another type of property";
    case Loss::kOtherUnit:
      return "another unit";
    case Loss::kWrongValue:
      return "no value of the property any more";
  }
  return "unknown loss";
}

Migration MigrateState(const Model* was, const Model& now, const json::Object& state) {
  return Migrator(was, now, state).Run();
}

}  // namespace homeport::model
