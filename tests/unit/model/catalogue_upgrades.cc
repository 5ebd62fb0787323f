#include <fmt/format.h>

#include <array>
#include <map>
#include <string>

#include "libs/model/compatibility.h"
#include "libs/model/migrate.h"
#include "libs/model/validate.h"
#include "tests/unit/model/catalogue.h"

namespace homeport::model {
namespace {

// By Upgrade, as counted over the same pairs by hand (MIoT-Spec-V2).
constexpr std::array<size_t, 4> kExpected = {34, 170, 12, 13};

// The released versions of each product; of two entries of one version neither replaces the other.
using Versions = std::map<std::string, std::multimap<int64_t, const CatalogueEntry*>>;

Versions ReleasedVersions(const Catalogue& catalogue) {
  Versions versions;
  for (const CatalogueEntry& entry : catalogue) {
    if (entry.released) versions[entry.product].emplace(entry.version, &entry);
  }
  return versions;
}

// A value that the property allows.
json::Value SomeValue(const Property& property) {
  if (property.format == Format::kBool) return true;
  if (property.format == Format::kString) return "text";
  if (const auto* range = std::get_if<IntRange>(&property.constraint)) return range->max;
  if (const auto* range = std::get_if<FloatRange>(&property.constraint)) return range->max;
  if (const auto* list = std::get_if<ValueList>(&property.constraint)) return list->back().value;
  return 1;
}

json::Object FullState(const Model& model) {
  json::Object state;
  for (const Service& service : model.services()) {
    json::Object leaves;
    for (const Property& property : service.properties) {
      leaves.Append(std::string(property.key), SomeValue(property));
    }
    state.Append(std::string(service.key), std::move(leaves));
  }
  return state;
}

struct Totals {
  std::array<size_t, 4> upgrades{};
  size_t renamed = 0;  // pairs in which some property's path changes
  size_t values = 0;
  size_t lost = 0;
  size_t moved = 0;
  size_t wrong = 0;
};

// A full state of the old version becomes one of the new version: nothing is lost unless the gate
// calls it breaking or a unit has changed, and the verdict on each value is the validator's.
void CheckMigration(const Model& was, const Model& now, const Comparison& gate, Totals& totals) {
  const json::Object state = FullState(was);
  const Migration migration = MigrateState(&was, now, state);
  totals.values += was.properties().size();
  totals.lost += migration.lost.size();
  totals.moved += migration.moved.size();
  totals.renamed += !migration.moved.empty();
  for (const LostValue& lost : migration.lost) {
    const bool excused = gate.upgrade == Upgrade::kBreaking || lost.loss == Loss::kOtherUnit;
    totals.wrong += !excused;
    const Property& old = *was.FindProperty(std::string_view(lost.path));
    const Property* property = now.FindProperty(old.siid, old.piid);
    const bool fits =
        property != nullptr && ValidateValue(*property, SomeValue(old)) == Verdict::kOk;
    totals.wrong += fits && lost.loss == Loss::kWrongValue;
  }
  for (const MovedValue& moved : migration.moved) {
    totals.wrong += now.FindProperty(std::string_view(moved.to)) == nullptr;
  }
}

void CheckPair(const CatalogueEntry& was, const CatalogueEntry& now, Totals& totals) {
  const Comparison gate = Compare(was.model, now.model);
  ++totals.upgrades[static_cast<size_t>(gate.upgrade)];
  CheckMigration(was.model, now.model, gate, totals);
  if (gate.upgrade < Upgrade::kWidening) return;
  fmt::print("  {} {} to {}: {}\n", was.product, was.version, now.version, ToText(gate.upgrade));
  for (const Difference& difference : gate.differences) {
    if (difference.upgrade >= Upgrade::kWidening) fmt::print("    {}\n", difference.ToString());
  }
}

// Every version against itself.
size_t CountUnequal(const Catalogue& catalogue) {
  size_t unequal = 0;
  for (const CatalogueEntry& entry : catalogue) {
    const Comparison same = Compare(entry.model, entry.model);
    unequal += same.upgrade != Upgrade::kSame || !same.differences.empty();
    unequal += !MigrateState(&entry.model, entry.model, FullState(entry.model)).patch.empty();
  }
  return unequal;
}

}  // namespace

bool CheckUpgrades(const Catalogue& catalogue) {
  Totals totals;
  for (const auto& [product, versions] : ReleasedVersions(catalogue)) {
    const CatalogueEntry* was = nullptr;
    for (const auto& [version, entry] : versions) {
      if (was != nullptr && was->version != version) CheckPair(*was, *entry, totals);
      was = entry;
    }
  }
  const size_t unequal = CountUnequal(catalogue);
  fmt::print("upgrades: {} only add, {} are the same in ids and types, {} widen, {} break\n",
             totals.upgrades[1], totals.upgrades[0], totals.upgrades[2], totals.upgrades[3]);
  fmt::print(
      "migration: of {} values {} are lost, {} move to another path (in {} upgrades), "
      "{} wrong; {} models differ from themselves\n",
      totals.values, totals.lost, totals.moved, totals.renamed, totals.wrong, unequal);
  return totals.upgrades == kExpected && totals.wrong == 0 && unequal == 0;
}

}  // namespace homeport::model
