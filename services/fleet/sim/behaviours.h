#pragma once

#include <string_view>

#include "libs/json/value.h"
#include "libs/model/model.h"
#include "services/fleet/sim/device_sim.h"

// What the kinds do beyond their tables. One set of functions for each Behaviour; a null pointer
// means that there is nothing special.
namespace homeport::fleet {

struct BehaviourFunctions {
  void (*advance)(DeviceSim& device, const Passed& passed);
  // After a property was set, by a command or, `by_hand`, by a person at the device.
  void (*was_set)(DeviceSim& device, const model::Property& property, bool by_hand);
  DeviceSim::ActionResult (*act)(DeviceSim& device, const model::Action& action);
};

[[nodiscard]] const BehaviourFunctions& FunctionsOf(Behaviour behaviour);

}  // namespace homeport::fleet
