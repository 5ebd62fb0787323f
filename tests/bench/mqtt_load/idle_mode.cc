#include <fmt/format.h>

#include <memory>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/server_usage.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kRetryUs = 200'000;
constexpr uint32_t kSpread = 13;
constexpr std::string_view kObeyed = R"({"code":0,"params":[{"siid":2,"piid":1,"code":0}]})";
constexpr int64_t kPingTickUs = 100'000;
constexpr int64_t kFailuresAtStartMax = 1000;

// The topics that a device of its own subscribes to.
std::vector<std::string> OwnTopics(const std::string& device, size_t count) {
  std::vector<std::string> topics = {fmt::format("device/{}/down/set/+", device),
                                     fmt::format("device/{}/down/get/+", device),
                                     fmt::format("device/{}/down/action/+", device),
                                     fmt::format("$aws/things/{}/shadow/update/delta", device),
                                     fmt::format("$aws/things/{}/shadow/update/accepted", device)};
  topics.resize(std::min(count, topics.size()));
  return topics;
}

class Run;

class Sleeper final : public fleet::MqttClient::Owner {
 public:
  Sleeper(Run& run, uint32_t index);
  void Open();
  void Ping() {
    if (client_.connected()) client_.Ping();
  }
  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t, mqtt::ReasonCode) override {}
  void OnSuback(const mqtt::Suback& suback) override;
  // A command is obeyed at once.
  void OnMessage(const mqtt::PublishView& message) override;
  void OnClosed(std::string_view why) override;

 private:
  void Settled();

  Run& run_;
  const uint32_t index_;
  uint32_t target_;
  fleet::MqttClient client_;
  bool settled_ = false;
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop)
      : load(l), ramp_(l.options.connections, l.options.connect_window, [this](uint32_t i) {
          sleepers_[i]->Open();
        }) {
    for (uint32_t i = 0; i < l.options.connections; ++i) {
      sleepers_.push_back(std::make_unique<Sleeper>(*this, i));
    }
    PollStop(loop, stop, [this] { Finish(); });
  }

  int Go() {
    start_us_ = MonotonicMicros();
    rss_before_ = ResidentBytes(load.server_pids);
    ramp_cpu_ = CpuSeconds(load.server_pids);
    ramp_.Start();
    if (load.options.keep_alive_s > 0) Tick();
    loop.Run();
    return ramp_.done() ? 0 : 1;
  }

  void Settled() {
    ramp_.Finished();
    if (!ramp_.done()) return;
    ramp_us_ = MonotonicMicros() - start_us_;
    ramp_cpu_ = CpuSeconds(load.server_pids) - ramp_cpu_;
    loop.After(static_cast<int64_t>(load.options.settle_s * 1e6), [this] { Hold(); });
  }
  void Lost() {
    if (++lost < kFailuresAtStartMax || ramp_.done()) return;
    log::Error("cannot_start", {{"failures", lost}});
    loop.Stop();
  }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  int64_t lost = 0;
  uint64_t refused_filters = 0;

 private:
  // Each session is pinged once in three quarters of its keep-alive, a few every tick.
  void Tick() {
    const double period_us = load.options.keep_alive_s * 0.75e6;
    pings_due_ +=
        static_cast<double>(sleepers_.size()) * static_cast<double>(kPingTickUs) / period_us;
    for (; pings_due_ >= 1; pings_due_ -= 1) {
      sleepers_[next_ping_++ % sleepers_.size()]->Ping();
    }
    loop.After(kPingTickUs, [this] { Tick(); });
  }

  void Hold() {
    rss_after_ = ResidentBytes(load.server_pids);
    hold_cpu_ = CpuSeconds(load.server_pids);
    hold_us_ = MonotonicMicros();
    loop.After(static_cast<int64_t>(load.options.seconds * 1e6), [this] { Finish(); });
  }

  void Finish();

  std::vector<std::unique_ptr<Sleeper>> sleepers_;
  Ramp ramp_;
  double pings_due_ = 0;
  size_t next_ping_ = 0;
  int64_t start_us_ = 0;
  int64_t ramp_us_ = 0;
  int64_t hold_us_ = 0;
  double ramp_cpu_ = 0;
  double hold_cpu_ = 0;
  uint64_t rss_before_ = 0;
  uint64_t rss_after_ = 0;
};

void Run::Finish() {
  loop.Stop();
  if (hold_us_ == 0) return;
  const LoadOptions& o = load.options;
  const double sessions = o.connections;
  const double ramp_s = static_cast<double>(ramp_us_) * 1e-6;
  const uint64_t rss_end = ResidentBytes(load.server_pids);
  const auto per_session = [&](uint64_t rss) {
    return (static_cast<double>(rss) - static_cast<double>(rss_before_)) / sessions;
  };
  Result result("mqtt_idle");
  result.Text("label", o.label);
  result.Text("target", o.target);
  result.Count("mqtt", static_cast<uint64_t>(o.mqtt));
  result.Count("tls", o.tls ? 1 : 0);
  result.Count("sessions", o.connections);
  result.Count("subscriptions", o.subscriptions);
  result.Count("keep_alive_s", o.keep_alive_s);
  result.Number("ramp_s", ramp_s);
  result.Number("ramp_sessions_per_s", sessions / ramp_s);
  result.Number("ramp_cpu_us_per_session", ramp_cpu_ * 1e6 / sessions);
  result.Count("rss_before_bytes", rss_before_);
  result.Count("rss_after_bytes", rss_after_);
  result.Count("rss_end_bytes", rss_end);
  result.Number("rss_bytes_per_session", per_session(rss_after_));
  result.Number("rss_end_bytes_per_session", per_session(rss_end));
  result.Number("hold_s", static_cast<double>(MonotonicMicros() - hold_us_) * 1e-6);
  result.Number("hold_cpu_s", CpuSeconds(load.server_pids) - hold_cpu_);
  result.Count("lost", static_cast<uint64_t>(lost));
  result.Count("refused_filters", refused_filters);
  result.Print();
}

Sleeper::Sleeper(Run& run, uint32_t index)
    : run_(run), index_(index), target_(index), client_(run.loop, *this) {}

void Sleeper::Open() { OpenSession(run_.load, index_, target_, &client_); }

void Sleeper::Settled() {
  if (!std::exchange(settled_, true)) run_.Settled();
}

void Sleeper::OnConnected(const mqtt::Connack&) {
  const auto topics =
      OwnTopics(ClientId(run_.load.options, index_), run_.load.options.subscriptions);
  if (topics.empty()) return Settled();
  client_.Subscribe(1, topics, mqtt::Qos::kAtLeastOnce);
}

void Sleeper::OnSuback(const mqtt::Suback& suback) {
  for (const mqtt::ReasonCode reason : suback.reasons) {
    if (mqtt::IsFailure(reason)) ++run_.refused_filters;
  }
  Settled();
}

void Sleeper::OnMessage(const mqtt::PublishView& message) {
  const size_t slash = message.topic.rfind('/');
  const std::string topic =
      fmt::format("device/{}/up/reply/{}", ClientId(run_.load.options, index_),
                  message.topic.substr(slash + 1));
  mqtt::PublishHeader header;
  header.version = client_.version();
  header.topic = topic;
  header.payload_bytes = kObeyed.size();
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  client_.Send(bytes.append(kObeyed));
}

// The next attempt goes to another server, where there are several: those of one that has died are
// dealt out over many.
void Sleeper::OnClosed(std::string_view why) {
  target_ += 1 + index_ % kSpread;
  run_.Lost();
  run_.losses.Note(ClientId(run_.load.options, index_), why);
  run_.loop.After(kRetryUs, [this] { Open(); });
}

}  // namespace

int RunIdle(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
