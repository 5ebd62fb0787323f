#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/model/model.h"
#include "services/fleet/sim/report_class.h"

namespace homeport::fleet {

// How a property's value moves by itself.
enum class Signal : uint8_t {
  kHeld,    // only commands and the kind's behaviour change it
  kDaily,   // `base` and a daily wave of `spread`, with noise
  kWalk,    // wanders around `base` by about `spread`, forgetting within `period_s`
  kDrain,   // from 100 down by one each `period_s`; replaced at 5
  kToggle,  // somebody flips it, a Poisson process of mean interval `period_s`
  kPick,    // somebody chooses another value, likewise
  kPower,   // watts: about `base` while the boolean `source` is true, else 0
  kEnergy,  // kilowatt-hours: the integral of `source`
};

// One row of a kind's table: a property, by its path in the model, its values and its reports.
struct PropertyRule {
  std::string_view path;
  ReportClass report;
  Signal signal = Signal::kHeld;
  double base = 0;  // also the first value
  double spread = 0;
  double period_s = 0;
  std::string_view source = {};
};

// Events that follow a boolean property: one for each value it takes.
struct EventRule {
  std::string_view path;
  std::string_view when_true;
  std::string_view when_false;
};

// A device behind a hub: its kind, and what links it to the hub (services/registry/core/links.h).
struct ChildSpec {
  std::string_view kind;
  std::string_view link;
};

enum class Behaviour : uint8_t { kPlain, kCurtain, kVacuum };

// A kind of device as the catalogue (catalog.cc) declares it. Static data.
struct KindSpec {
  std::string_view name;     // "lamp": device ids are lamp-0001, lamp-0002 …
  std::string_view product;  // product id
  std::string_view title;
  std::string_view model_json;
  unsigned share = 1;  // of the fleet, relative to the other kinds; 0: only behind hubs
  Behaviour behaviour = Behaviour::kPlain;
  bool follows_shadow = false;   // obeys the classic shadow's delta
  bool may_fall_silent = false;  // loses its power without a word now and then
  std::span<const PropertyRule> properties;
  std::span<const EventRule> events = {};
  std::span<const ChildSpec> children = {};  // of a hub
};

// A kind ready for use: the model parsed, the rules' properties found. Immutable.
struct Kind {
  struct Rule {
    const PropertyRule* spec;
    const model::Property* property;
    const model::Property* source;  // null where the rule names none
  };
  struct BooleanEvents {
    const model::Property* property;
    const model::Event* when_true;
    const model::Event* when_false;
  };

  explicit Kind(const KindSpec& s, model::Model m) : spec(s), model(std::move(m)) {}

  const KindSpec& spec;
  model::Model model;
  std::vector<Rule> rules;
  std::vector<BooleanEvents> events;

  // Position of a property of `model` among model.properties().
  [[nodiscard]] size_t IndexOf(const model::Property& property) const {
    return static_cast<size_t>(&property - model.properties().data());
  }
};

// The kinds Homeport ships, in their order in the fleet.
[[nodiscard]] std::span<const KindSpec> Catalog();

// Fails where the model does not parse or lacks what the rules name.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Kind>> MakeKind(const KindSpec& spec);
[[nodiscard]] absl::StatusOr<std::vector<std::unique_ptr<Kind>>> MakeCatalog();

}  // namespace homeport::fleet
