#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace homeport::bench {

struct LoadOptions {
  std::string target;    // "host:port"
  std::string ca;        // PEM file
  std::string token;     // file of the bearer token; empty: none
  std::string method;    // "/package.Service/Method"
  std::string requests;  // file: serialized requests in base64, one a line, called in turn
  uint32_t channels = 4;
  uint32_t in_flight = 16;
  int64_t seconds = 5;
};

// Calls the method for so long and prints what was measured as one JSON object. Answers are not
// parsed: that is no work of the server.
[[nodiscard]] absl::Status RunLoad(const LoadOptions& options);

}  // namespace homeport::bench
