#include "services/fleet/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "services/fleet/io/fleet_password.h"

namespace homeport::fleet {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kBackoffUsMin = kSecondUs / 2;
constexpr int64_t kBackoffUsMax = 30 * kSecondUs;
constexpr int64_t kMovingWakeUs = kSecondUs / 2;
constexpr int64_t kWakeGridUs = kSecondUs / 50;
constexpr double kNaturalWakeS = 5;
// A device's time runs so fast that this much of it passes between two reports of --rate.
constexpr double kDeviceSecondsPerReport = 60;
constexpr size_t kReportsWaitingMax = 32;
constexpr size_t kEventsWaitingMax = 8;
// Replies use the identifiers that the outbox leaves free (ReportOutbox::kPacketIdMax).
constexpr uint16_t kReplyIdMin = 60'000;
constexpr uint16_t kReplyIdMax = 65'535;
constexpr uint16_t kSubscribeId = kReplyIdMin - 1;

int64_t Micros(double seconds) { return static_cast<int64_t>(seconds * 1e6); }

// Shorter than configured by up to a tenth: a fleet's pings must not come in step.
int64_t KeepAliveUs(const FleetContext& context) {
  const double share = std::uniform_real_distribution<double>(0.9, 1.0)(context.random);
  return Micros(static_cast<double>(context.config.keep_alive_s) * share);
}

}  // namespace

Device::Device(FleetContext& context, const Kind& kind, const Options& options)
    : context_(context),
      user_name_(FleetUserName(kind.spec.product, options.id)),
      password_(FleetPassword(options.fleet_key, user_name_)),
      version_(options.version),
      falls_silent_(options.falls_silent),
      keep_alive_us_(KeepAliveUs(context)),
      client_(context.loop, *this),
      outbox_(context.config.window),
      next_report_id_(SystemClock().Wall().value),
      backoff_us_(kBackoffUsMin),
      woke_us_(context.loop.now_us()),
      next_reply_id_(kReplyIdMin) {
  units_.push_back({.id = options.id, .sim = DeviceSim(kind, options.id, options.seed)});
  for (const Child& child : options.children) {
    units_.push_back({.id = child.id,
                      .sim = DeviceSim(*child.kind, child.id, child.seed),
                      .link = child.link,
                      .is_attached = false});
  }
  if (falls_silent_) PlanSilence();
  PlanWake();
}

double Device::Uniform(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(context_.random);
}

std::string Device::Unit::Topic(std::string_view rest) const {
  return fmt::format("device/{}/{}", id, rest);
}

Device::Unit* Device::Find(std::string_view id) {
  const auto at =
      std::find_if(units_.begin(), units_.end(), [&](const Unit& unit) { return unit.id == id; });
  return at == units_.end() ? nullptr : &*at;
}

bool Device::moving() const {
  return std::any_of(units_.begin(), units_.end(),
                     [](const Unit& unit) { return unit.sim.moving(); });
}

// ---- connection ----

void Device::Connect() {
  const size_t count = context_.gateways.size();
  const size_t gateway = std::uniform_int_distribution<size_t>(0, count - 1)(context_.random);
  mqtt::Connect connect;
  connect.version = version_;
  connect.client_id = id();
  connect.keep_alive_s = static_cast<uint16_t>(keep_alive_us_ / kSecondUs);
  connect.user_name = user_name_;
  connect.password = password_;
  client_.Open(context_.gateways[gateway], context_.tls, connect);
}

void Device::OnConnected(const mqtt::Connack&) {
  context_.probe.Connected();
  up_ = was_connected_ = true;
  backoff_us_ = kBackoffUsMin;
  heard_us_ = context_.loop.now_us();
  Subscribe();
  SendDue();  // what the last connection left unacknowledged comes first
  Attach();
  for (Unit& unit : units_) {
    if (!quiet_) Report(unit, unit.sim.TakeAll());
  }
  PlanKeepAlive();
}

// Says which children are behind this hub; the answers come one by one (OnTopology).
void Device::Attach() {
  std::string added;
  for (const Unit& unit : units_) {
    if (unit.is_attached) continue;
    added += fmt::format(R"({}{{"did":"{}","product":"{}","link":"{}"}})", added.empty() ? "" : ",",
                         unit.id, unit.sim.kind().spec.product, unit.link);
  }
  if (added.empty()) return;
  Publish(own().Topic("up/topology"), fmt::format(R"({{"add":[{}]}})", added), next_reply_id_,
          false);
  Flush();
}

void Device::OnTopology(std::string_view payload) {
  const TopologyAnswer answer = ReadTopologyAnswer(payload);
  Unit* const child = Find(answer.device);
  if (child == nullptr || child->is_attached) return;
  if (answer.code != kAttached) {
    log::Refusal("child_refused", {{"device", id()}, {"child", child->id}, {"code", answer.code}});
    return context_.probe.ReportRefused();
  }
  child->is_attached = true;
  if (!quiet_) Report(*child, child->sim.TakeAll());
}

void Device::Subscribe() {
  const Unit& unit = own();
  std::vector<std::string> filters = {unit.Topic("down/set/+"), unit.Topic("down/get/+"),
                                      unit.Topic("down/action/+"), unit.Topic("down/refused")};
  if (units_.size() > 1) filters = {"device/+/down/#"};
  const std::string shadow = fmt::format("$aws/things/{}/shadow/", unit.id);
  const bool follows_shadow = unit.sim.kind().spec.follows_shadow;
  if (follows_shadow) {
    filters.push_back(shadow + "update/delta");
    filters.push_back(shadow + "get/accepted");
  }
  client_.Subscribe(kSubscribeId, filters, mqtt::Qos::kAtLeastOnce);
  if (!follows_shadow) return;
  // What was desired while this device was away comes with the answer.
  Publish(shadow + "get", "", next_reply_id_, false);
  Flush();
}

void Device::Down() {
  context_.loop.Cancel(&keep_alive_timer_);
  outbox_.ConnectionLost();
  scratch_.clear();
  if (std::exchange(up_, false)) {
    context_.probe.Disconnected();
  } else {
    context_.probe.ConnectFailed();
  }
}

void Device::OnClosed(std::string_view why) {
  Down();
  if (left_) return;
  log::Refusal("device_lost", {{"device", id()}, {"why", why}});
  Retry();
}

void Device::Retry() {
  const double backoff = static_cast<double>(backoff_us_);
  backoff_us_ = std::min(backoff_us_ * 2, kBackoffUsMax);
  retry_timer_ =
      context_.loop.After(static_cast<int64_t>(Uniform(0.5, 1.5) * backoff), [this] { Connect(); });
}

void Device::Quiesce() {
  quiet_ = true;
  context_.loop.Cancel(&silence_timer_);
  if (!silent_) return;
  context_.loop.Cancel(&retry_timer_);
  ComeBack();
}

void Device::Leave() {
  left_ = quiet_ = true;
  for (EventLoop::TimerId* timer :
       {&wake_timer_, &keep_alive_timer_, &retry_timer_, &silence_timer_}) {
    context_.loop.Cancel(timer);
  }
  if (client_.connected()) {
    client_.Disconnect();
  } else {
    client_.Abort();
  }
}

void Device::PlanKeepAlive() {
  keep_alive_timer_ = context_.loop.After(keep_alive_us_ * 3 / 4, [this] { KeepAlive(); });
}

void Device::KeepAlive() {
  if (context_.loop.now_us() - heard_us_ > keep_alive_us_) {
    // Not even the last ping was answered.
    client_.Abort();
    return OnClosed("nothing heard for a whole keep-alive");
  }
  client_.Ping();
  PlanKeepAlive();
}

// ---- silence: power lost, connection left half-open ----

void Device::PlanSilence() {
  const double mean_s = static_cast<double>(context_.config.silent_interval_s);
  const double delay_s = std::exponential_distribution<double>(1 / mean_s)(context_.random);
  silence_timer_ = context_.loop.After(Micros(delay_s), [this] { FallSilent(); });
}

void Device::FallSilent() {
  PlanSilence();
  if (!client_.connected()) return;
  context_.probe.WentSilent();
  client_.Freeze();
  Down();
  // Long enough, mostly, that the server gives up first (1.5 keep-alives).
  const double away_s = Uniform(0.5, 2.5) * static_cast<double>(keep_alive_us_) * 1e-6;
  silent_ = true;
  retry_timer_ = context_.loop.After(Micros(away_s), [this] { ComeBack(); });
}

void Device::ComeBack() {
  silent_ = false;
  client_.Abort();
  Connect();
}

// ---- life ----

void Device::PlanWake() {
  const double rate = context_.config.rate;
  const double interval_s = rate > 0 ? 1 / rate : kNaturalWakeS;
  int64_t delay = Micros(interval_s * Uniform(0.7, 1.3));
  if (moving()) delay = std::min(delay, kMovingWakeUs);
  // On a common grid, so that a large fleet wakes the process less often than it has devices.
  const int64_t now = context_.loop.now_us();
  const int64_t at = (now + delay + kWakeGridUs - 1) / kWakeGridUs * kWakeGridUs;
  wake_timer_ = context_.loop.After(at - now, [this] { Wake(); });
}

// Lets the device live up to now.
void Device::CatchUp() {
  const int64_t now = context_.loop.now_us();
  const double rate = context_.config.rate;
  Passed passed;
  passed.real_s = static_cast<double>(now - std::exchange(woke_us_, now)) * 1e-6;
  passed.device_s = passed.real_s * (rate > 0 ? rate * kDeviceSecondsPerReport : 1);
  for (Unit& unit : units_) {
    unit.sim.Advance(passed);
    ReportEvents(unit);
  }
  SendDue();
}

void Device::Wake() {
  CatchUp();
  if (client_.connected() && !quiet_) {
    for (Unit& unit : units_) ReportDue(unit);
  }
  PlanWake();
}

void Device::ReportDue(Unit& unit) {
  if (!unit.is_attached) return;
  const int64_t waited_us = context_.loop.now_us() - unit.reported_us;
  const double rate = context_.config.rate;
  DeviceSim::Properties due = unit.sim.TakeDue();
  const bool owes = rate > 0 && static_cast<double>(waited_us) * 1e-6 > 0.65 / rate;
  if (due.empty() && owes) due = unit.sim.TakeStalest();
  Report(unit, due);
}

void Device::Report(Unit& unit, const DeviceSim::Properties& properties) {
  if (properties.empty() || !unit.is_attached || outbox_.size() >= kReportsWaitingMax) return;
  const int64_t id = next_report_id_++;
  ReportOutbox::Report report;
  report.id = id;
  report.topic = unit.Topic("up/properties");
  report.payload = PropertiesPayload(unit.sim, properties, id, SystemClock().Wall().value);
  outbox_.Push(std::move(report));
  unit.reported_us = context_.loop.now_us();
  SendDue();
}

void Device::ReportEvents(Unit& unit) {
  for (const DeviceSim::HappenedEvent& event : unit.sim.TakeEvents()) {
    if (quiet_ || !unit.is_attached) return;
    if (!client_.connected() && outbox_.size() >= kEventsWaitingMax) {
      context_.probe.EventDropped();
      continue;
    }
    ReportOutbox::Report report;
    report.topic = unit.Topic(fmt::format("up/event/{}/{}", event.event->siid, event.event->eiid));
    report.payload = EventPayload(event, SystemClock().Wall().value);
    outbox_.Push(std::move(report));
  }
}

void Device::SendDue() {
  if (!client_.connected()) return;
  while (ReportOutbox::Report* report = outbox_.Next()) {
    const bool again = report->times_sent > 1;
    report->sent_us = context_.loop.now_us();
    if (report->id > 0) {
      context_.probe.ReportSent(again);
    } else {
      context_.probe.EventSent(again);
    }
    Publish(report->topic, report->payload, report->packet_id, again);
  }
  Flush();
}

void Device::Publish(std::string_view topic, std::string_view payload, uint16_t packet_id,
                     bool dup) {
  mqtt::Publish publish;
  publish.topic = topic;
  publish.payload = payload;
  publish.packet_id = packet_id;
  publish.qos = mqtt::Qos::kAtLeastOnce;
  publish.dup = dup;
  mqtt::EncodePublish(publish, version_, &scratch_);
  if (packet_id == next_reply_id_) {
    next_reply_id_ =
        next_reply_id_ == kReplyIdMax ? kReplyIdMin : static_cast<uint16_t>(next_reply_id_ + 1);
  }
}

void Device::Flush() {
  if (scratch_.empty()) return;
  client_.Send(scratch_);
  scratch_ = std::string();
}

void Device::OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) {
  if (mqtt::IsFailure(reason)) {
    // Not taken. Over a new connection it goes again, before anything newer.
    context_.probe.PublishRefused();
    client_.Abort();
    return OnClosed(mqtt::Name(reason));
  }
  if (packet_id >= kReplyIdMin) return;
  const auto report = outbox_.Complete(packet_id);
  if (!report) return;
  if (report->id > 0) {
    context_.probe.ReportAcked(MonotonicMicros() - report->sent_us);
  } else {
    context_.probe.EventAcked();
  }
}

void Device::OnInputEnd() {
  heard_us_ = context_.loop.now_us();
  SendDue();
}

// ---- commands ----

void Device::OnMessage(const mqtt::PublishView& message) {
  CatchUp();
  constexpr std::string_view kOwn = "device/";
  std::string_view topic = message.topic;
  if (topic.substr(0, 1) == "$") {
    if (ObeyDelta(message.payload, &own().sim) == 0) return;
    context_.probe.DeltaObeyed();
    return Report(own(), own().sim.TakeCommanded());
  }
  topic.remove_prefix(std::min(topic.size(), kOwn.size()));
  const size_t slash = topic.find('/');
  Unit* const unit = Find(topic.substr(0, slash));
  if (unit != nullptr) OnDownlink(*unit, topic.substr(slash + 1), message.payload);
}

void Device::OnDownlink(Unit& unit, std::string_view rest, std::string_view payload) {
  static constexpr std::array<std::pair<std::string_view, Verb>, 3> kVerbs = {
      {{"down/set/", Verb::kSet}, {"down/get/", Verb::kGet}, {"down/action/", Verb::kAction}}};
  for (const auto& [prefix, verb] : kVerbs) {
    if (rest.substr(0, prefix.size()) == prefix) {
      return Command(unit, verb, rest.substr(prefix.size()), payload);
    }
  }
  if (rest == "down/topology") return OnTopology(payload);
  if (rest == "down/refused") {
    context_.probe.ReportRefused();
    log::Refusal("report_refused", {{"device", unit.id}, {"code", RefusalCode(payload)}});
  }
}

void Device::Command(Unit& unit, Verb verb, std::string_view request, std::string_view payload) {
  const std::string answer = Answer(verb, payload, &unit.sim);
  if (answer.find(R"({"code":-)") == 0) context_.probe.CommandFailed();
  switch (verb) {
    case Verb::kSet:
      context_.probe.PropertySet();
      break;
    case Verb::kGet:
      context_.probe.PropertyGot();
      break;
    case Verb::kAction:
      context_.probe.ActionDone();
      break;
  }
  Publish(unit.Topic(fmt::format("up/reply/{}", request)), answer, next_reply_id_, false);
  Flush();
  Report(unit, unit.sim.TakeCommanded());
  if (!unit.sim.moving()) return;
  // What now moves must be seen moving.
  context_.loop.Cancel(&wake_timer_);
  PlanWake();
}

}  // namespace homeport::fleet
