#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "libs/auth/jwks_file.h"
#include "libs/base/ids.h"
#include "libs/metrics/exposer.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/server.h"
#include "libs/runtime/lifecycle.h"
#include "services/gateway/config.h"
#include "services/gateway/control/control_service.h"
#include "services/gateway/identity/directory.h"
#include "services/gateway/identity/directory_feed.h"
#include "services/gateway/inspect/session_service.h"
#include "services/gateway/shard.h"

namespace homeport::gateway {

// One gateway process: shards, the directory they share, the control API and the metrics page.
// Single-threaded; each part keeps to its own threads.
class Gateway {
 public:
  // `config` must outlive the gateway.
  Gateway(const GatewayConfig& config, PodId pod);

  // The parts in the order in which they start; stopping in reverse order drains.
  void AddTo(runtime::Lifecycle& lifecycle);

 private:
  [[nodiscard]] absl::Status StartDirectory();
  [[nodiscard]] absl::Status StartShards();
  [[nodiscard]] absl::Status StartFeed();
  void OnChanges(const std::vector<DirectoryChange>& changes);
  void RefreshProduct(const std::string& name, int attempts);
  void OnFeedReset(bool is_first);
  [[nodiscard]] absl::Status StartControl();
  [[nodiscard]] absl::Status StartMetrics();
  void StopControl();
  void DrainShards();
  void EndShards();

  const GatewayConfig& config_;
  const PodId pod_;
  metrics::Registry metrics_;
  metrics::Health health_;
  ControlProbe control_probe_;
  rpc::TokenFile token_;
  std::unique_ptr<auth::JwksFile> tokens_;
  std::unique_ptr<rpc::CallAuth> auth_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<DirectoryFeed> feed_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<ControlService> control_;
  std::unique_ptr<SessionService> sessions_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<metrics::Exposer> exposer_;
};

}  // namespace homeport::gateway
