#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "libs/metrics/health.h"
#include "services/fleet/device.h"

namespace homeport::fleet {

// All simulated devices of a process: which kinds, when they first connect, how they end. On the
// loop's thread.
class Fleet {
 public:
  struct Parts {
    EventLoop& loop;
    const FleetConfig& config;
    FleetProbe& probe;
    metrics::Health& health;
    const std::vector<Endpoint>& gateways;
    const TlsClient* tls;
    const std::vector<std::unique_ptr<Kind>>& kinds;
    const std::vector<std::string>& fleet_keys;  // in the order of `kinds`
  };

  // What `parts` names outlives the fleet.
  explicit Fleet(const Parts& parts);

  // Lets the devices connect, a few at a time. Ready when nearly all of them were.
  void Start();
  // Ends the traffic, waits for what is in flight, says goodbye; then calls `done`.
  void Stop(std::function<void()> done);

  // As one JSON object: what was done, and every report that is still unacknowledged.
  [[nodiscard]] std::string Summary() const;
  // The same as a log line `event=summary`.
  void LogSummary() const;

 private:
  void ConnectNext();
  void WatchReady();
  void AwaitSettled(int64_t deadline_us);
  void AwaitGone(int64_t deadline_us);
  [[nodiscard]] size_t Unacked() const;
  [[nodiscard]] std::vector<Device::Child> ChildrenOf(const Kind& hub, std::string_view id);

  Parts parts_;
  std::mt19937_64 random_;
  FleetContext context_;
  std::vector<std::unique_ptr<Device>> devices_;
  size_t next_ = 0;
  EventLoop::TimerId connect_timer_;
  size_t connected_at_stop_ = 0;
  std::function<void()> done_;
};

}  // namespace homeport::fleet
