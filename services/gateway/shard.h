#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "libs/metrics/health.h"
#include "libs/net/listener.h"
#include "libs/net/reactor.h"
#include "libs/net/tls.h"
#include "libs/redis/client.h"
#include "services/gateway/control/commands_once.h"
#include "services/gateway/control/watch_hub.h"
#include "services/gateway/identity/revocations.h"
#include "services/gateway/inspect/session_finder.h"
#include "services/gateway/inspect/session_lists.h"
#include "services/gateway/mqtt_server.h"
#include "services/gateway/ownership/adopter.h"
#include "services/gateway/ownership/fleet_load.h"
#include "services/gateway/ownership/lease.h"
#include "services/gateway/session/departures.h"
#include "services/gateway/session/tls_reload.h"
#include "services/gateway/shard_context.h"
#include "services/gateway/stream/inbox.h"

namespace homeport::gateway {

// One reactor with everything it owns: listeners, sessions, uplink, inbox, commands, watches. A
// shard shares nothing with its siblings: to the rest of the system each is a pod of its own, with
// its own pod id, lease and inbox. Methods are for its thread unless said otherwise.
class Shard final : private SessionHandler {
 public:
  // All references must outlive the shard. `health` is told of the connection to Redis.
  Shard(const GatewayConfig& config, PodId pod, metrics::Registry& registry,
        metrics::Health& health, Directory& directory);

  // Before the thread runs. Errors name the address or file.
  // `ticket_keys` seal session tickets where no file of keys is set.
  [[nodiscard]] absl::Status Listen(const std::string& ticket_keys);
  // Any thread:
  void StartThread();
  void Join();
  void Post(net::Reactor::Task task) { reactor_.Post(std::move(task)); }
  // Runs `task` on the shard's thread again and again.
  void Every(int64_t period_ms, std::function<void()> task);
  // Refuses new connections, ends the sessions (Departures::Drain), flushes what is on its way to
  // Redis, then calls `done` on the shard's thread.
  void Drain(Pace pace, int64_t ms_max, absl::AnyInvocable<void()> done);
  void Stop();
  [[nodiscard]] int64_t lag_us() const { return reactor_.lag_us(); }
  [[nodiscard]] const Heartbeat& heartbeat() const { return reactor_.heartbeat(); }
  // When the certificate of its listeners ends, in Unix seconds; 0: it has none. Any thread.
  [[nodiscard]] int64_t certificate_ends_s() const {
    return tls_reload_ == nullptr ? 0 : tls_reload_->certificate_ends_s();
  }

  [[nodiscard]] CommandTable& commands() { return server_.commands(); }
  [[nodiscard]] CommandsOnce& commands_once() { return commands_once_; }
  [[nodiscard]] SessionCalls& session_calls() { return server_.session_calls(); }
  [[nodiscard]] SessionFinder& session_finder() { return session_finder_; }
  [[nodiscard]] SessionLists& session_lists() { return session_lists_; }
  [[nodiscard]] WatchHub& watches() { return watches_; }
  [[nodiscard]] Revocations& revocations() { return revocations_; }
  [[nodiscard]] Departures& departures() { return departures_; }
  [[nodiscard]] Ownership& ownership() { return ownership_; }
  void After(int64_t ms, net::Reactor::Task task) { reactor_.After(ms, std::move(task)); }
  [[nodiscard]] ShardProbe& probe() { return probe_; }

 private:
  FrameOutcome OnFrame(Session& session, const mqtt::Frame& frame) override {
    return server_.OnFrame(session, frame);
  }
  void OnClosed(Session& session, const CloseCause& cause) override {
    server_.OnClosed(session, cause);
  }

  void OnRedis(bool connected);
  void Rejoin();
  void OnInboxItem(const internal::v1::InboxItem& item);
  [[nodiscard]] absl::Status StartTls(const std::string& ticket_keys);
  [[nodiscard]] absl::Status ListenAt(const std::string& address, Door door);
  void TickIo();
  void Tick();
  void FinishDrain();
  [[nodiscard]] bool MayFlush();
  void GiveLeaseUp();

  const GatewayConfig& config_;
  const PodId pod_;
  metrics::Health& health_;
  net::Reactor reactor_;
  ShardProbe probe_;
  redis::Client redis_;
  Uplink uplink_;
  Bus bus_;
  std::unique_ptr<net::TlsServer> tls_;  // before the sessions: outlives them
  SessionIo io_;
  Ownership ownership_;
  Outbox outbox_;
  SessionStore store_;
  Receipts receipts_;
  TrafficMeter traffic_;
  RecentEnds ends_;
  Lease lease_;
  ShardContext context_;
  MqttServer server_;
  CommandsOnce commands_once_;
  SessionFinder session_finder_;
  SessionLists session_lists_;
  WatchHub watches_;
  Adopter adopter_;
  Revocations revocations_;
  FleetLoad fleet_load_;
  Departures departures_;
  Inbox inbox_;
  std::unique_ptr<TlsReload> tls_reload_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  int ticks_ = 0;
  absl::AnyInvocable<void()> drained_;
  MonoMs drain_end_;    // at the latest
  MonoMs flush_until_;  // of a drain whose sessions have left
  std::thread thread_;
};

}  // namespace homeport::gateway
