#pragma once

#include <atomic>
#include <cstdint>

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
      : files_(std::move(files)), server_(server), pod_(pod), probe_(probe) {
    probe_.ExpectRefusals("tls_reload");
  }

  // Errors name the file or the setting.
  [[nodiscard]] absl::Status Start();
  // To be called every second.
  void Poll();
  // When the certificate in use ends, in Unix seconds. Any thread.
  [[nodiscard]] int64_t certificate_ends_s() const { return ends_s_; }

 private:
  [[nodiscard]] absl::Status Use(const net::TlsMaterial& material);

  net::TlsFiles files_;
  net::TlsServer& server_;
  const PodId& pod_;
  ShardProbe& probe_;
  std::atomic<int64_t> ends_s_ = 0;
};

}  // namespace homeport::gateway
