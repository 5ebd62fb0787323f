#pragma once

#include <string>

#include "libs/shadow/document.h"

namespace homeport::registry {

// The parts of get/accepted as gRPC callers get them: {"desired","reported","delta"}, and the
// metadata of the two sections; empty sections are left out.
[[nodiscard]] std::string StateJson(const shadow::Document& document);
[[nodiscard]] std::string MetadataJson(const shadow::Document& document);

}  // namespace homeport::registry
