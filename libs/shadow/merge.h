#pragma once

#include <cstdint>

#include "libs/json/value.h"
#include "libs/shadow/document.h"

namespace homeport::shadow {

// Merges `patch` into one section (AWS IoT shadows, RFC 7396): object into object merges, null
// removes the key, anything else replaces; arrays replace as a whole. Every touched leaf gets the
// time `now_seconds`. Nulls inside a new object are dropped; an object emptied by nulls stays {}.
// With `changes`, adds a merge patch from the old state to the new one.
// Whether any value changed; the same value again only refreshes its time. Linear in both sizes.
bool MergeSection(Section& section, const json::Object& patch, int64_t now_seconds,
                  json::Object* changes);

// Whether MergeSection would change any value.
[[nodiscard]] bool WouldChange(const json::Object& state, const json::Object& patch);

}  // namespace homeport::shadow
