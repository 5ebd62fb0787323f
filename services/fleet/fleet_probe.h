#pragma once

#include <cstdint>

#include "libs/metrics/registry.h"

namespace homeport::fleet {

// Every number the fleet counts, and the only place that names its metrics. On the loop's thread;
// scraped from any.
class FleetProbe {
 public:
  explicit FleetProbe(metrics::Registry& registry);

  void Connected();
  void Disconnected();   // of an established connection
  void ConnectFailed();  // an attempt that never got to CONNACK
  void WentSilent();
  void ReportSent(bool again);
  void ReportAcked(int64_t latency_us);
  void EventSent(bool again);
  void EventAcked();
  void PublishRefused();  // a PUBACK with a failure code
  void ReportRefused();   // a message on down/refused
  void EventDropped();    // too many while offline
  void PropertySet();     // one command, whatever number of properties
  void PropertyGot();
  void ActionDone();
  void CommandFailed();  // answered with a negative code
  void DeltaObeyed();

  struct Totals {
    uint64_t reports_sent, reports_acked, reports_resent, events_sent, events_acked, events_dropped;
    uint64_t publishes_refused, reports_refused, sets, gets, actions, commands_failed;
    uint64_t shadow_deltas, disconnects, connect_failures, silences;
    int64_t connected;
  };
  [[nodiscard]] Totals totals() const;

 private:
  metrics::Gauge& connected_;
  metrics::Counter& connects_;
  metrics::Counter& disconnects_;
  metrics::Counter& connect_failures_;
  metrics::Counter& silences_;
  metrics::Counter& reports_sent_;
  metrics::Counter& reports_acked_;
  metrics::Counter& resent_;
  metrics::Counter& events_sent_;
  metrics::Counter& events_acked_;
  metrics::Counter& events_dropped_;
  metrics::Counter& publishes_refused_;
  metrics::Counter& reports_refused_;
  metrics::Counter& sets_;
  metrics::Counter& gets_;
  metrics::Counter& actions_;
  metrics::Counter& commands_failed_;
  metrics::Counter& deltas_;
  metrics::Histogram& puback_;
};

}  // namespace homeport::fleet
