#pragma once

#include <vector>

#include "libs/json/value.h"

namespace homeport::json {

// Leaves each key once, at its first place with its last value. Linear in the number of members,
// whatever a peer sends.
void KeepLastOfEachKey(std::vector<Member>& members);

}  // namespace homeport::json
