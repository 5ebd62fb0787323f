#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/model/codes.h"
#include "libs/model/model.h"

namespace homeport::model {

// Why something named is not in a model. Pure: any thread.
enum class Part : uint8_t { kProperty, kAction, kEvent };

// By number, as it was given; null: not a whole number, or not there. kInvalidId for what can be no
// number of a part, kNoService, else the code of the kind (kNoProperty, kNoAction, kNoEvent).
// REQUIRES: the model has no such part.
struct GivenId {
  std::optional<int64_t> siid;
  std::optional<int64_t> iid;
};
[[nodiscard]] Code MissingCode(const Model& model, const GivenId& id, Part part);

// By "<service key>.<key>"; kInvalidId for what is not of that form.
// REQUIRES: the model has no such part.
[[nodiscard]] Code MissingCode(const Model& model, std::string_view path, Part part);

// The parts by number as given; null: MissingCode says why.
[[nodiscard]] const Property* FindProperty(const Model& model, const GivenId& id);
[[nodiscard]] const Action* FindAction(const Model& model, const GivenId& id);
[[nodiscard]] const Event* FindEvent(const Model& model, const GivenId& id);

}  // namespace homeport::model
