#include "services/fleet/fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "libs/base/check.h"
#include "libs/base/log.h"

namespace homeport::fleet {
namespace {

constexpr int64_t kPollUs = 50'000;
constexpr int64_t kGoodbyeUs = 3'000'000;
constexpr double kReadyShare = 0.95;
constexpr size_t kUnackedListedMax = 100;
constexpr std::string_view kConnected = "devices";

// Spreads the kinds by their shares, so that even a small fleet has some of each.
class KindPicker {
 public:
  explicit KindPicker(const std::vector<std::unique_ptr<Kind>>& kinds)
      : kinds_(kinds), counts_(kinds.size(), 0) {
    for (const auto& kind : kinds) shares_ += kind->spec.share;
  }

  // The kind that lacks most of what its share of the fleet would be.
  size_t Next() {
    ++total_;
    size_t best = 0;
    double most = -1;
    for (size_t i = 0; i < kinds_.size(); ++i) {
      if (kinds_[i]->spec.share == 0) continue;
      const double due = static_cast<double>(total_) * kinds_[i]->spec.share / shares_;
      const double lacking = (due - counts_[i]) / kinds_[i]->spec.share;
      if (lacking <= most) continue;
      most = lacking;
      best = i;
    }
    ++counts_[best];
    return best;
  }
  [[nodiscard]] unsigned count(size_t kind) const { return counts_[kind]; }

 private:
  const std::vector<std::unique_ptr<Kind>>& kinds_;
  std::vector<unsigned> counts_;
  unsigned total_ = 0;
  double shares_ = 0;
};

}  // namespace

Fleet::Fleet(const Parts& parts)
    : parts_(parts), random_(parts.config.seed), context_{parts.loop,     parts.config, parts.probe,
                                                          parts.gateways, parts.tls,    random_} {
  KindPicker picker(parts.kinds);
  std::uniform_real_distribution<double> percent(0, 100);
  for (uint32_t i = 0; i < parts.config.devices; ++i) {
    const size_t k = picker.Next();
    const Kind& kind = *parts.kinds[k];
    Device::Options options;
    options.id = fmt::format("{}-{:04}", kind.spec.name, picker.count(k));
    options.fleet_key = parts.fleet_keys[k];
    options.version = i % 2 == 0 ? mqtt::Version::k311 : mqtt::Version::k5;
    options.falls_silent =
        kind.spec.may_fall_silent && percent(random_) < parts.config.silent_percent;
    options.seed = random_();
    options.children = ChildrenOf(kind, options.id);
    devices_.push_back(std::make_unique<Device>(context_, kind, options));
  }
}

// hub-0001-1, hub-0001-2 …
std::vector<Device::Child> Fleet::ChildrenOf(const Kind& hub, std::string_view id) {
  std::vector<Device::Child> children;
  for (const ChildSpec& child : hub.spec.children) {
    const auto kind = std::find_if(parts_.kinds.begin(), parts_.kinds.end(),
                                   [&](const auto& one) { return one->spec.name == child.kind; });
    HP_CHECK(kind != parts_.kinds.end());
    children.push_back({.id = fmt::format("{}-{}", id, children.size() + 1),
                        .kind = kind->get(),
                        .link = child.link,
                        .seed = random_()});
  }
  return children;
}

void Fleet::Start() {
  parts_.health.Expect(kConnected);
  ConnectNext();
  WatchReady();
}

void Fleet::ConnectNext() {
  if (next_ == devices_.size()) return;
  devices_[next_++]->Connect();
  const double jitter = std::uniform_real_distribution<double>(0.5, 1.5)(random_);
  const auto delay_us = static_cast<int64_t>(jitter * 1e6 / parts_.config.connect_rate);
  connect_timer_ = parts_.loop.After(delay_us, [this] { ConnectNext(); });
}

void Fleet::WatchReady() {
  const auto were = std::count_if(devices_.begin(), devices_.end(),
                                  [](const auto& device) { return device->was_connected(); });
  if (static_cast<double>(were) >= kReadyShare * static_cast<double>(devices_.size())) {
    parts_.health.Met(kConnected);
    return log::Info("ready", {{"devices", static_cast<uint64_t>(devices_.size())}});
  }
  parts_.health.Unmet(kConnected, fmt::format("{} of {} have connected", were, devices_.size()));
  parts_.loop.After(kPollUs, [this] { WatchReady(); });
}

void Fleet::Stop(std::function<void()> done) {
  done_ = std::move(done);
  parts_.loop.Cancel(&connect_timer_);
  for (auto& device : devices_) device->Quiesce();
  AwaitSettled(parts_.loop.now_us() + parts_.config.drain_ms * 1000);
}

void Fleet::AwaitSettled(int64_t deadline_us) {
  if (Unacked() > 0 && parts_.loop.now_us() < deadline_us) {
    parts_.loop.After(kPollUs, [this, deadline_us] { AwaitSettled(deadline_us); });
    return;
  }
  connected_at_stop_ = static_cast<size_t>(parts_.probe.totals().connected);
  for (auto& device : devices_) device->Leave();
  AwaitGone(parts_.loop.now_us() + kGoodbyeUs);
}

void Fleet::AwaitGone(int64_t deadline_us) {
  if (parts_.probe.totals().connected > 0 && parts_.loop.now_us() < deadline_us) {
    parts_.loop.After(kPollUs, [this, deadline_us] { AwaitGone(deadline_us); });
    return;
  }
  done_();
}

size_t Fleet::Unacked() const {
  size_t count = 0;
  for (const auto& device : devices_) count += device->outbox().size();
  return count;
}

std::string Fleet::Summary() const {
  const FleetProbe::Totals t = parts_.probe.totals();
  std::string unacked;
  size_t listed = 0;
  for (const auto& device : devices_) {
    for (const ReportOutbox::Report& report : device->outbox().reports()) {
      if (listed++ == kUnackedListedMax) break;
      unacked += fmt::format(R"({}{{"device":"{}","topic":"{}","id":{},"times_sent":{}}})",
                             unacked.empty() ? "" : ",", device->id(), report.topic, report.id,
                             report.times_sent);
    }
  }
  return fmt::format(
      R"({{"devices":{},"connected":{},"reports_sent":{},"reports_acked":{},"unacked":{},)"
      R"("resent":{},"events_sent":{},"events_acked":{},"events_dropped":{},"sets":{},"gets":{},)"
      R"("actions":{},"commands_failed":{},"shadow_deltas":{},"publishes_refused":{},)"
      R"("reports_refused":{},"disconnects":{},"connect_failures":{},"silences":{},)"
      R"("unacked_reports":[{}]}})",
      devices_.size(), connected_at_stop_, t.reports_sent, t.reports_acked, Unacked(),
      t.reports_resent, t.events_sent, t.events_acked, t.events_dropped, t.sets, t.gets, t.actions,
      t.commands_failed, t.shadow_deltas, t.publishes_refused, t.reports_refused, t.disconnects,
      t.connect_failures, t.silences, unacked);
}

void Fleet::LogSummary() const {
  const FleetProbe::Totals t = parts_.probe.totals();
  log::Info("summary", {{"devices", static_cast<uint64_t>(devices_.size())},
                        {"connected", static_cast<uint64_t>(connected_at_stop_)},
                        {"sent", t.reports_sent},
                        {"acked", t.reports_acked},
                        {"unacked", static_cast<uint64_t>(Unacked())},
                        {"resent", t.reports_resent},
                        {"events", t.events_acked},
                        {"sets", t.sets},
                        {"actions", t.actions},
                        {"deltas", t.shadow_deltas},
                        {"refused", t.reports_refused + t.publishes_refused},
                        {"disconnects", t.disconnects}});
}

}  // namespace homeport::fleet
