#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/metrics/health.h"
#include "libs/metrics/registry.h"

namespace homeport::metrics {

// Serves GET /metrics, /livez and /readyz (200, or 503 with the reasons as text) over HTTP on
// threads of its own, until destroyed. Who connects and asks nothing is cut after a second.
class Exposer {
 public:
  // `listen` is "host:port"; port 0 picks a free one. `registry` and `health` are borrowed and must
  // outlive the exposer. The error of a failed bind names the address.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Exposer>> Start(std::string_view listen,
                                                                      const Registry& registry,
                                                                      const Health& health);
  ~Exposer();
  Exposer(const Exposer&) = delete;
  Exposer& operator=(const Exposer&) = delete;

  [[nodiscard]] int port() const;

 private:
  struct Impl;
  explicit Exposer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace homeport::metrics
