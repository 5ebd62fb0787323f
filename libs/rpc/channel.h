#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace homeport::rpc {

struct ChannelOptions {
  std::string target = {};  // "host:port", or several "ip:port" joined by commas (round robin)
  std::string ca = {};  // PEM file that the server's certificate must chain to; empty: plaintext
  std::string server_name = {};  // expected in the certificate; empty: the (first) host of `target`
};

// Whether a target is of the form that ChannelOptions says.
[[nodiscard]] absl::Status CheckTarget(std::string_view target);

// Connects in the background and reconnects by itself; keep-alive pings every 30 s.
[[nodiscard]] absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const ChannelOptions& options);

// The bearer token of a client, from a file that may be replaced while the process runs (looked at
// once a second at most). Thread-safe.
class TokenFile {
 public:
  // An empty path means no token.
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  // Fails where the file cannot be read and no former token is known.
  [[nodiscard]] absl::StatusOr<std::string> Token();

 private:
  const std::string path_;
  absl::Mutex mutex_;
  std::string token_ ABSL_GUARDED_BY(mutex_);
  int64_t checked_us_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t stamp_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Sets the deadline of a call and its `authorization` metadata.
[[nodiscard]] absl::Status PrepareCall(grpc::ClientContext& context, TokenFile& token,
                                       int64_t timeout_ms);

}  // namespace homeport::rpc
