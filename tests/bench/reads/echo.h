#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/runtime/stop_signal.h"

namespace homeport::bench {

struct EchoOptions {
  std::string listen;    // "host:port"
  std::string tls_cert;  // PEM files
  std::string tls_key;
  std::string shadow;   // file: the serialized answer to every GetShadow
  std::string devices;  // file: the serialized answer to every ListDevices
};

// The peer of a registry: a server of the same kind that answers the same methods with the same
// messages and does nothing else. Serves until `stop`.
[[nodiscard]] absl::Status RunEcho(const EchoOptions& options, runtime::StopSignal& stop);

}  // namespace homeport::bench
