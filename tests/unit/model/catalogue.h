#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/model.h"

// The real catalogue of product models, and what is checked of it. Each check prints what it
// counted and says whether that is as it should be.
namespace homeport::model {

struct CatalogueEntry {
  std::string product;  // "yeelink.light.lamp15"
  int64_t version = 0;  // at the URN's end
  bool released = false;
  bool latest = false;
  json::Value instance;
  Model model;
};
using Catalogue = std::vector<CatalogueEntry>;

// Every part is found by its number and by its path.
[[nodiscard]] bool CheckLookups(const Catalogue& catalogue);
// Consecutive released versions: the gate's verdicts, by class.
[[nodiscard]] bool CheckUpgrades(const Catalogue& catalogue);
// Values, arguments and ids of every property, action and event: accepted or refused, with codes.
[[nodiscard]] bool CheckValues(const Catalogue& catalogue);
// Specs made wrong in one place: refused, naming that place.
[[nodiscard]] bool CheckMalformed(const Catalogue& catalogue);

}  // namespace homeport::model
