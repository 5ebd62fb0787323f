#pragma once

#include <cstdint>
#include <span>

#include "libs/json/value.h"
#include "libs/model/model.h"
#include "libs/model/validate.h"

namespace homeport::model {

// Lists of arguments: of actions, their results and events. Pure: any thread.
//
// A list is either [v1, v2] in the order of the model, or [{"piid":p,"value":v}, ..] in any order,
// each once; in place of "piid" an entry may have the property's "name" ("temperature" or
// "light.temperature").

// kWrongArgumentCount; kWrongArgument for a value that does not fit, and for an entry that is none
// of the action's arguments or comes twice.
[[nodiscard]] Checked ValidateActionIn(const Model& model, const Action& action,
                                       const json::Array& in);
// The same with kWrongResultCount, kWrongResult.
[[nodiscard]] Checked ValidateActionOut(const Model& model, const Action& action,
                                        const json::Array& out);
// An event has all its arguments, each once. kWrongResultCount: there are more or less of them, one
// is another property's or comes twice. Each is a value of a property: kWrongValue where it does
// not fit or is missing, kNoProperty where there is no such property, kInvalidId where it is not
// said of which.
[[nodiscard]] Checked ValidateEvent(const Model& model, const Event& event,
                                    const json::Array& arguments);

// The values in the order of `piids`, each as it is stored and sent (Normalise).
// REQUIRES: accepted by one of the above, of which `piids` is the list.
[[nodiscard]] json::Array ArrangeArguments(const Model& model, uint32_t siid,
                                           std::span<const uint16_t> piids,
                                           const json::Array& arguments);

}  // namespace homeport::model
