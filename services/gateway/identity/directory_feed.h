#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "homeport/internal/v1/directory.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/channel.h"

namespace homeport::gateway {

using internal::v1::DirectoryChange;

// Follows what the registry announces of credentials, devices and products, so that a cached answer
// is wrong for no longer than a poll. A thread of its own.
class DirectoryFeed {
 public:
  // Called on the feed's thread.
  struct Handler {
    std::function<void(const std::vector<DirectoryChange>&)> on_changes;
    // What was missed is not known: at the start, after a week's absence, and where the registry's
    // database was put back.
    std::function<void(bool is_first)> on_reset;
  };
  struct Options {
    int64_t poll_ms = 1000;
    int64_t timeout_ms = 2000;
  };

  // `token` and `clock` must outlive the feed.
  DirectoryFeed(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token, const Clock& clock,
                Options options, Handler handler);
  ~DirectoryFeed();  // as Stop
  // Waits for the call under way.
  void Stop();

  // How long ago the registry was last heard: older than that, a revocation is not known here.
  [[nodiscard]] int64_t age_ms() const;

 private:
  void Run();
  [[nodiscard]] bool Poll();

  std::unique_ptr<internal::v1::DirectoryService::Stub> stub_;
  rpc::TokenFile& token_;
  const Clock& clock_;
  const Options options_;
  const Handler handler_;
  int64_t last_ = -1;  // number of the last change seen
  std::atomic<int64_t> heard_ms_;
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace homeport::gateway
