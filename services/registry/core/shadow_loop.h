#pragma once

#include "libs/json/value.h"
#include "services/registry/core/apply.h"

// The loop detector of a shadow, fed with what messages write. Sections are nullptr where a message
// has none.
namespace homeport::registry {

// Whether the message would go on with a fight that is to be refused (429).
[[nodiscard]] bool IsFought(const ApplyContext& context, const ShadowState& shadow,
                            const json::Object* desired, const json::Object* reported);

// The message was applied. Counts and logs a fight that has used up its rounds.
void NoteWrite(const ApplyContext& context, ShadowState& shadow, const json::Object* desired,
               const json::Object* reported);

}  // namespace homeport::registry
