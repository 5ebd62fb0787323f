#pragma once

#include "absl/status/status.h"
#include "libs/base/ids.h"
#include "libs/net/tls.h"
#include "libs/net/tls_files.h"
#include "services/gateway/probe.h"

namespace homeport::gateway {

// Keeps a shard's TLS server at what its files hold. Files that will not do are refused, counted
// and logged, and the former ones stay in use. Shard's thread only.
class TlsReload {
 public:
  // The references must outlive it.
  TlsReload(net::TlsFiles files, net::TlsServer& server, const PodId& pod, ShardProbe& probe)
      : files_(std::move(files)), server_(server), pod_(pod), probe_(probe) {}

  // Errors name the file or the setting.
  [[nodiscard]] absl::Status Start();
  // To be called every second.
  void Poll();

 private:
  net::TlsFiles files_;
  net::TlsServer& server_;
  const PodId& pod_;
  ShardProbe& probe_;
};

}  // namespace homeport::gateway
