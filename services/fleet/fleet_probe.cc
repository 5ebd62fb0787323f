#include "services/fleet/fleet_probe.h"

namespace homeport::fleet {
namespace {

metrics::Counter& Commands(metrics::Registry& registry, const char* verb) {
  return registry.AddCounter("homeport_fleet_commands_total", "Commands that devices answered",
                             {{"verb", verb}});
}

}  // namespace

FleetProbe::FleetProbe(metrics::Registry& r)
    : connected_(r.AddGauge("homeport_fleet_connected", "Devices with an accepted session")),
      connects_(r.AddCounter("homeport_fleet_connects_total", "Sessions accepted")),
      disconnects_(r.AddCounter("homeport_fleet_disconnects_total", "Sessions lost or ended")),
      connect_failures_(r.AddCounter("homeport_fleet_connect_failures_total",
                                     "Connections that never became a session")),
      silences_(r.AddCounter("homeport_fleet_silences_total",
                             "Times a device fell silent with its connection open")),
      reports_sent_(r.AddCounter("homeport_fleet_reports_sent_total",
                                 "Property reports sent, each counted once")),
      reports_acked_(
          r.AddCounter("homeport_fleet_reports_acked_total", "Property reports acknowledged")),
      resent_(r.AddCounter("homeport_fleet_resent_total",
                           "Reports and events sent again after a reconnect")),
      events_sent_(
          r.AddCounter("homeport_fleet_events_sent_total", "Events sent, each counted once")),
      events_acked_(r.AddCounter("homeport_fleet_events_acked_total", "Events acknowledged")),
      events_dropped_(r.AddCounter("homeport_fleet_events_dropped_total",
                                   "Events beyond what an offline device keeps")),
      publishes_refused_(
          r.AddCounter("homeport_fleet_publishes_refused_total", "PUBACKs with a failure code")),
      reports_refused_(r.AddCounter("homeport_fleet_reports_refused_total",
                                    "Messages on device/{did}/down/refused")),
      sets_(Commands(r, "set")),
      gets_(Commands(r, "get")),
      actions_(Commands(r, "action")),
      commands_failed_(r.AddCounter("homeport_fleet_commands_failed_total",
                                    "Commands answered with a failure code")),
      deltas_(r.AddCounter("homeport_fleet_shadow_deltas_total", "Shadow deltas obeyed")),
      puback_(r.AddHistogram("homeport_fleet_puback_seconds", "From sending a report to its PUBACK",
                             metrics::LatencyBuckets())) {}

void FleetProbe::Connected() {
  connected_.Add(1);
  connects_.Increment();
}

void FleetProbe::Disconnected() {
  connected_.Add(-1);
  disconnects_.Increment();
}

void FleetProbe::ConnectFailed() { connect_failures_.Increment(); }
void FleetProbe::WentSilent() { silences_.Increment(); }
void FleetProbe::ReportSent(bool again) { (again ? resent_ : reports_sent_).Increment(); }
void FleetProbe::EventSent(bool again) { (again ? resent_ : events_sent_).Increment(); }

void FleetProbe::ReportAcked(int64_t latency_us) {
  reports_acked_.Increment();
  puback_.Observe(latency_us);
}

void FleetProbe::EventAcked() { events_acked_.Increment(); }
void FleetProbe::PublishRefused() { publishes_refused_.Increment(); }
void FleetProbe::ReportRefused() { reports_refused_.Increment(); }
void FleetProbe::EventDropped() { events_dropped_.Increment(); }
void FleetProbe::PropertySet() { sets_.Increment(); }
void FleetProbe::PropertyGot() { gets_.Increment(); }
void FleetProbe::ActionDone() { actions_.Increment(); }
void FleetProbe::CommandFailed() { commands_failed_.Increment(); }
void FleetProbe::DeltaObeyed() { deltas_.Increment(); }

FleetProbe::Totals FleetProbe::totals() const {
  Totals t{};
  t.reports_sent = reports_sent_.value();
  t.reports_acked = reports_acked_.value();
  t.reports_resent = resent_.value();
  t.events_sent = events_sent_.value();
  t.events_acked = events_acked_.value();
  t.events_dropped = events_dropped_.value();
  t.publishes_refused = publishes_refused_.value();
  t.reports_refused = reports_refused_.value();
  t.sets = sets_.value();
  t.gets = gets_.value();
  t.actions = actions_.value();
  t.commands_failed = commands_failed_.value();
  t.shadow_deltas = deltas_.value();
  t.disconnects = disconnects_.value();
  t.connect_failures = connect_failures_.value();
  t.silences = silences_.value();
  t.connected = connected_.value();
  return t;
}

}  // namespace homeport::fleet
