#include <fmt/format.h>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/publish_template.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/server_usage.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kTickUs = 1000;  // of the open loop
constexpr int64_t kReconnectUs = 100'000;
constexpr uint64_t kFailuresAtStartMax = 1000;

int64_t Micros(double seconds) { return static_cast<int64_t>(seconds * 1e6); }

PublishTemplate MakeTemplate(const LoadOptions& options, const std::string& client_id) {
  PublishTemplateOptions o;
  o.version = options.mqtt == 5 ? mqtt::Version::k5 : mqtt::Version::k311;
  o.client_id = client_id;
  o.topic = options.topic;
  o.payload = options.payload;
  o.payload_bytes = options.size;
  return PublishTemplate(o);
}

struct Tally {
  uint64_t acked = 0;
  uint64_t refused = 0;
  uint64_t disconnects = 0;
  uint64_t connect_failures = 0;
  Histogram latency;
};

class Run;

// One session and its window. Packet identifier = slot + 1.
class Publisher final : public fleet::MqttClient::Owner {
 public:
  Publisher(Run& run, uint32_t index);

  void Open();
  void FillWindow();
  // Open loop: one publish that was due at that time.
  void Due(int64_t due_us);

  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) override;
  void OnInputEnd() override;
  void OnClosed(std::string_view why) override;

 private:
  void Publish(int64_t due_us);
  void SendBacklog();

  Run& run_;
  const uint32_t index_;
  fleet::MqttClient client_;
  PublishTemplate template_;
  uint32_t seq_ = 0;
  uint32_t opened_ = 0;
  bool up_ = false;
  bool was_up_ = false;
  std::vector<int64_t> due_us_;       // of each slot; 0: free
  std::vector<uint16_t> free_slots_;  // used as a stack
  std::deque<int64_t> backlog_;       // due, but the window is full
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop)
      : load(l), ramp_(l.options.connections, l.options.connect_window, [this](uint32_t i) {
          publishers_[i]->Open();
        }) {
    publishers_.reserve(l.options.connections);
    for (uint32_t i = 0; i < l.options.connections; ++i) {
      publishers_.push_back(std::make_unique<Publisher>(*this, i));
    }
    loop.set_pause_us(l.options.pause_us);
    PollStop(loop, stop, [this] { Finish(); });
  }

  int Go() {
    ramp_.Start();
    loop.Run();
    return tally.acked > 0 ? 0 : 1;
  }

  void FirstConnected() {
    ramp_.Finished();
    if (ramp_.done()) Start();
  }
  void ConnectFailed() {
    ++tally.connect_failures;
    if (started() || tally.connect_failures < kFailuresAtStartMax) return;
    log::Error("cannot_start", {{"connect_failures", tally.connect_failures}});
    loop.Stop();
  }
  [[nodiscard]] bool started() const { return start_us_ > 0; }
  [[nodiscard]] bool closed_loop() const { return load.options.rate <= 0; }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  Tally tally;
  std::string scratch;  // packets of the session being served
  int64_t now_us = 0;   // of the input being served; 0: not looked at yet

 private:
  void Start() {
    start_us_ = loop.now_us();
    loop.After(Micros(load.options.warm_up_s), [this] { Measure(); });
    if (!closed_loop()) return Tick();
    for (auto& publisher : publishers_) publisher->FillWindow();
  }

  void Tick() {
    const double elapsed_s = static_cast<double>(loop.now_us() - start_us_) * 1e-6;
    const auto due = static_cast<uint64_t>(elapsed_s * load.options.rate);
    for (; issued_ < due; ++issued_) {
      const int64_t at = start_us_ + Micros(static_cast<double>(issued_) / load.options.rate);
      publishers_[issued_ % publishers_.size()]->Due(at);
    }
    loop.After(kTickUs, [this] { Tick(); });
  }

  void Measure() {
    tally = Tally();
    measure_us_ = MonotonicMicros();
    server_cpu_ = CpuSeconds(load.server_pids);
    own_cpu_ = OwnCpuSeconds();
    loop.After(Micros(load.options.seconds), [this] { Finish(); });
  }

  void Finish();

  std::vector<std::unique_ptr<Publisher>> publishers_;
  Ramp ramp_;
  int64_t start_us_ = 0;
  int64_t measure_us_ = 0;
  uint64_t issued_ = 0;
  double server_cpu_ = 0;
  double own_cpu_ = 0;
};

void Run::Finish() {
  loop.Stop();
  if (measure_us_ == 0) return;
  const double seconds = static_cast<double>(MonotonicMicros() - measure_us_) * 1e-6;
  const double server_cpu = CpuSeconds(load.server_pids) - server_cpu_;
  const double own_cpu = OwnCpuSeconds() - own_cpu_;
  const double acked = tally.acked > 0 ? static_cast<double>(tally.acked) : 1;
  const LoadOptions& o = load.options;
  Result result("mqtt_publish");
  result.Text("label", o.label);
  result.Text("target", o.target);
  result.Text("loop", closed_loop() ? "closed" : "open");
  result.Count("mqtt", static_cast<uint64_t>(o.mqtt));
  result.Count("tls", o.tls ? 1 : 0);
  result.Count("connections", o.connections);
  result.Count("window", o.window);
  result.Count("batch", o.batch);
  result.Count("pause_us", static_cast<uint64_t>(o.pause_us));
  result.Count("size", o.size);
  result.Number("seconds", seconds);
  result.Count("acked", tally.acked);
  result.Number("acked_per_s", static_cast<double>(tally.acked) / seconds);
  result.Latency("puback", tally.latency);
  result.Count("refused", tally.refused);
  result.Count("disconnects", tally.disconnects);
  result.Count("connect_failures", tally.connect_failures);
  result.Number("server_cpu_s", server_cpu);
  result.Number("server_cpu_us_per_ack", server_cpu * 1e6 / acked);
  result.Number("own_cpu_s", own_cpu);
  result.Number("own_cpu_us_per_ack", own_cpu * 1e6 / acked);
  result.Print();
}

Publisher::Publisher(Run& run, uint32_t index)
    : run_(run),
      index_(index),
      client_(run.loop, *this),
      template_(MakeTemplate(run.load.options, ClientId(run.load.options, index))) {}

void Publisher::Open() {
  due_us_.assign(run_.load.options.window, 0);
  free_slots_.clear();
  for (uint32_t slot = run_.load.options.window; slot > 0; --slot) {
    free_slots_.push_back(static_cast<uint16_t>(slot - 1));
  }
  OpenSession(run_.load, index_, index_ + opened_++, &client_);
}

void Publisher::Publish(int64_t due_us) {
  const uint16_t slot = free_slots_.back();
  free_slots_.pop_back();
  due_us_[slot] = due_us;
  template_.Append(static_cast<uint16_t>(slot + 1), seq_++, &run_.scratch);
}

void Publisher::FillWindow() {
  if (!client_.connected()) return;
  const int64_t now = MonotonicMicros();
  while (!free_slots_.empty()) Publish(now);
  client_.Send(run_.scratch);
  run_.scratch.clear();
}

void Publisher::Due(int64_t due_us) {
  backlog_.push_back(due_us);
  if (client_.connected()) SendBacklog();
}

void Publisher::SendBacklog() {
  while (!backlog_.empty() && !free_slots_.empty()) {
    Publish(backlog_.front());
    backlog_.pop_front();
  }
  if (run_.scratch.empty()) return;
  client_.Send(run_.scratch);
  run_.scratch.clear();
}

void Publisher::OnConnected(const mqtt::Connack&) {
  up_ = true;
  if (!std::exchange(was_up_, true)) return run_.FirstConnected();
  if (run_.started() && run_.closed_loop()) FillWindow();
}

void Publisher::OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) {
  const size_t slot = static_cast<size_t>(packet_id) - 1;
  if (slot >= due_us_.size() || due_us_[slot] == 0) return;
  if (run_.now_us == 0) run_.now_us = MonotonicMicros();
  if (mqtt::IsFailure(reason)) {
    ++run_.tally.refused;
  } else {
    ++run_.tally.acked;
    run_.tally.latency.Add(run_.now_us - due_us_[slot]);
  }
  due_us_[slot] = 0;
  free_slots_.push_back(static_cast<uint16_t>(slot));
}

void Publisher::OnInputEnd() {
  run_.now_us = 0;
  if (!run_.started()) return;
  if (!run_.closed_loop()) return SendBacklog();
  if (free_slots_.size() >= run_.load.options.batch) FillWindow();
}

void Publisher::OnClosed(std::string_view why) {
  run_.scratch.clear();
  run_.now_us = 0;
  run_.losses.Note(ClientId(run_.load.options, index_), why);
  if (std::exchange(up_, false)) {
    ++run_.tally.disconnects;
  } else {
    run_.ConnectFailed();
  }
  run_.loop.After(kReconnectUs, [this] { Open(); });
}

}  // namespace

int RunPublish(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
