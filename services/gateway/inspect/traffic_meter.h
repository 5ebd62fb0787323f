#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "services/gateway/inspect/heavy_hitters.h"
#include "services/gateway/session/session_handle.h"

namespace homeport::gateway {

// How much the most active sessions of a shard publish and get, over a window and the one before:
// sessions that do nothing cost nothing. Shard's thread only.
class TrafficMeter {
 public:
  struct Options {
    uint32_t sessions = 256;  // that are told apart
    int64_t window_ms = 30'000;
  };

  TrafficMeter(MonoMs now, Options options);

  // One PUBLISH packet. On the data path: allocates nothing.
  void FromClient(SessionHandle session, size_t bytes) {
    Traffic& traffic = current_.Touch(session.packed(), kMessageWeight + bytes);
    ++traffic.messages_from_client;
    traffic.bytes_from_client += bytes;
  }
  void ToClient(SessionHandle session, size_t bytes) {
    Traffic& traffic = current_.Touch(session.packed(), kMessageWeight + bytes);
    ++traffic.messages_to_client;
    traffic.bytes_to_client += bytes;
  }

  // Begins a new window where it is time to.
  void Tick(MonoMs now);

  // What is known of one session, or of all that are told apart, over the last period_ms().
  [[nodiscard]] Traffic Of(SessionHandle session) const;
  [[nodiscard]] std::vector<std::pair<SessionHandle, Traffic>> All() const;
  [[nodiscard]] int64_t period_ms(MonoMs now) const { return now - former_from_; }

 private:
  // A message weighs as much as so many bytes, so that one sketch finds the heaviest by either.
  static constexpr uint64_t kMessageWeight = 256;

  const int64_t window_ms_;
  HeavyHitters current_;
  HeavyHitters former_;
  MonoMs current_from_;
  MonoMs former_from_;
};

}  // namespace homeport::gateway
