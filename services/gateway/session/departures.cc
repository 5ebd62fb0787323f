#include "services/gateway/session/departures.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "services/gateway/ownership/session_keeper.h"

namespace homeport::gateway {
namespace {

using mqtt::ReasonCode;

constexpr int64_t kStepMs = 100;
constexpr int64_t kCutStep = 2'000;        // sessions that one step of a drain that is late ends
constexpr uint32_t kShedVisitsMax = 1000;  // slots looked at in one step

}  // namespace

Pace PaceOf(uint32_t per_second, uint32_t shards) {
  const auto rate = int64_t{per_second};
  Pace pace;
  pace.sessions = std::max<int64_t>(rate * kStepMs / (1000 * int64_t{shards}), 1);
  pace.every_ms = std::max<int64_t>((pace.sessions * 1000 * shards + rate - 1) / rate, 1);
  return pace;
}

ReasonCode Elsewhere(const GatewayConfig& config, ReasonCode otherwise) {
  if (config.server_reference.empty()) return otherwise;
  return config.server_moved ? ReasonCode::kServerMoved : ReasonCode::kUseAnotherServer;
}

int64_t Departures::Jittered(int64_t ms) {
  return ms + std::uniform_int_distribution<int64_t>(0, ms / 5)(random_);
}

void Departures::End(Session& session, metrics::Counter& counter, ReasonCode reason,
                     std::string_view why) {
  counter.Increment();
  const bool shutdown = reason == ReasonCode::kServerShuttingDown;
  c_.io.Close(session, {shutdown ? kShutdown : "SERVER_INITIATED_DISCONNECT",
                        Elsewhere(c_.config, reason), why});
}

void Departures::Start() {
  if (c_.config.connection_age_s_max > 0) AgeLater();
  if (c_.config.shed_per_second > 0) ShedLater();
}

void Departures::AgeLater() {
  c_.reactor.After(kStepMs, [this] {
    if (draining_) return;
    Age();
    AgeLater();
  });
}

// Each slot is visited once in half the age, and its session ends when it was there at the visit
// before: between half the age and all of it. That costs a session no memory, and spreads those
// that connected together over half the age.
void Departures::Age() {
  const uint32_t slots = c_.io.sessions().slots();
  const double steps = c_.config.connection_age_s_max * 1000.0 / 2 / kStepMs;
  visits_due_ = std::min(visits_due_ + slots / steps, static_cast<double>(slots));
  for (; visits_due_ >= 1; visits_due_ -= 1) {
    if (age_cursor_ >= slots) age_cursor_ = 0;
    Session& session = c_.io.sessions().At(age_cursor_++);
    if (session.phase != Phase::kOnline || !std::exchange(session.aged, true)) continue;
    End(session, c_.probe.departures_age, ReasonCode::kMaximumConnectTime, "connection_age_s_max");
  }
}

void Departures::ShedLater() {
  c_.reactor.After(Jittered(PaceOf(c_.config.shed_per_second, 1).every_ms), [this] {
    if (draining_) return;
    Shed();
    ShedLater();
  });
}

// In the order of the slots, so that all others go before one that has come back.
void Departures::Shed() {
  int64_t left = std::min(PaceOf(c_.config.shed_per_second, 1).sessions, load_.excess());
  const uint32_t slots = c_.io.sessions().slots();
  for (uint32_t i = 0; i < std::min(slots, kShedVisitsMax) && left > 0; ++i) {
    if (shed_cursor_ >= slots) shed_cursor_ = 0;
    Session& session = c_.io.sessions().At(shed_cursor_++);
    if (session.phase != Phase::kOnline) continue;
    End(session, c_.probe.departures_shed, ReasonCode::kUseAnotherServer,
        "another gateway has fewer sessions");
    --left;
  }
  c_.probe.departures_left.Set(load_.excess());
}

void Departures::Renew(Pace pace) {
  renew_pace_ = pace;
  renew_cursor_ = 0;
  if (!std::exchange(renewing_, true)) RenewStep();
}

void Departures::RenewStep() {
  SessionTable& sessions = c_.io.sessions();
  int64_t left = renew_pace_.sessions;
  for (; renew_cursor_ < sessions.slots() && left > 0; ++renew_cursor_) {
    Session& session = sessions.At(renew_cursor_);
    if (session.phase != Phase::kOnline) continue;
    End(session, c_.probe.departures_renewed, ReasonCode::kAdministrativeAction,
        "who is connected is to be checked anew");
    --left;
  }
  renewing_ = renew_cursor_ < sessions.slots() && !draining_;
  if (!renewing_) return;
  c_.reactor.After(Jittered(renew_pace_.every_ms), [this] { RenewStep(); });
}

void Departures::Drain(Pace pace, int64_t ms_max, absl::AnyInvocable<void()> done) {
  pace_ = pace;
  drained_ = std::move(done);
  drain_until_ms_ = c_.reactor.now().value + ms_max;
  draining_ = true;
  log::Info("drain_started", {{"pod", c_.pod.str()}, {"sessions", load_.sessions()}});
  load_.Leave();
  DrainStep();
}

void Departures::DrainStep() {
  const bool cut = c_.reactor.now().value >= drain_until_ms_;
  SessionTable& sessions = c_.io.sessions();
  if (cut && load_.sessions() > 0 && !std::exchange(cut_told_, true)) {
    log::Warn("drain_cut_short", {{"pod", c_.pod.str()},
                                  {"limit", "drain_ms_max"},
                                  {"sessions", load_.sessions()},
                                  {"next", "they are ended at once"}});
  }
  // The lease is renewed in between, so that nobody takes the pod for dead.
  const int64_t step = cut ? std::max(kCutStep, pace_.sessions) : pace_.sessions;
  int64_t ended = 0;
  for (; drain_cursor_ < sessions.slots() && ended < step; ++drain_cursor_) {
    Session& session = sessions.At(drain_cursor_);
    if (!session.is_open()) continue;
    ++ended;
    End(session, cut ? c_.probe.departures_cut : c_.probe.departures_drain,
        ReasonCode::kServerShuttingDown, "the gateway drains");
  }
  c_.probe.departures_left.Set(load_.sessions());
  if (drain_cursor_ >= sessions.slots()) return std::exchange(drained_, nullptr)();
  c_.reactor.After(cut ? 0 : Jittered(pace_.every_ms), [this] { DrainStep(); });
}

}  // namespace homeport::gateway
