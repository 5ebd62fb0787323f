#include <fmt/format.h>

#include <memory>
#include <vector>

#include "libs/base/clock.h"
#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/server_usage.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kRetryUs = 10'000;

class Run;

// Opens a session, says DISCONNECT as soon as it is accepted, waits for the server to close, and
// begins again under the next client id.
class Visitor final : public fleet::MqttClient::Owner {
 public:
  Visitor(Run& run, uint32_t index);
  void Open();
  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t, mqtt::ReasonCode) override {}
  void OnClosed(std::string_view why) override;

 private:
  Run& run_;
  fleet::MqttClient client_;
  uint32_t next_id_;
  int64_t opened_us_ = 0;
  bool accepted_ = false;
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop) : load(l) {
    // Sessions under way at a time; each walks its own share of the client ids.
    const uint32_t visitors = std::min(l.options.connect_window, l.options.connections);
    for (uint32_t i = 0; i < visitors; ++i) {
      visitors_.push_back(std::make_unique<Visitor>(*this, i));
    }
    PollStop(loop, stop, [this] { Finish(); });
  }

  int Go() {
    start_us_ = MonotonicMicros();
    server_cpu_ = CpuSeconds(load.server_pids);
    own_cpu_ = OwnCpuSeconds();
    for (auto& visitor : visitors_) visitor->Open();
    loop.After(static_cast<int64_t>(load.options.seconds * 1e6), [this] { Finish(); });
    loop.Run();
    return accepted > 0 ? 0 : 1;
  }

  [[nodiscard]] uint32_t step() const { return static_cast<uint32_t>(visitors_.size()); }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  uint64_t accepted = 0;
  uint64_t failures = 0;
  Histogram latency;

 private:
  void Finish() {
    loop.Stop();
    const double seconds = static_cast<double>(MonotonicMicros() - start_us_) * 1e-6;
    const double server_cpu = CpuSeconds(load.server_pids) - server_cpu_;
    const double count = accepted > 0 ? static_cast<double>(accepted) : 1;
    Result result("mqtt_connect");
    result.Text("label", load.options.label);
    result.Text("target", load.options.target);
    result.Count("mqtt", static_cast<uint64_t>(load.options.mqtt));
    result.Count("tls", load.options.tls ? 1 : 0);
    result.Count("concurrency", visitors_.size());
    result.Number("seconds", seconds);
    result.Count("accepted", accepted);
    result.Number("accepted_per_s", static_cast<double>(accepted) / seconds);
    result.Latency("connack", latency);
    result.Count("failures", failures);
    result.Count("resumed", load.tls ? load.tls->resumptions() : 0);
    result.Number("server_cpu_s", server_cpu);
    result.Number("server_cpu_us_per_connect", server_cpu * 1e6 / count);
    result.Number("own_cpu_us_per_connect", (OwnCpuSeconds() - own_cpu_) * 1e6 / count);
    result.Print();
  }

  std::vector<std::unique_ptr<Visitor>> visitors_;
  int64_t start_us_ = 0;
  double server_cpu_ = 0;
  double own_cpu_ = 0;
};

Visitor::Visitor(Run& run, uint32_t index) : run_(run), client_(run.loop, *this), next_id_(index) {}

void Visitor::Open() {
  accepted_ = false;
  opened_us_ = MonotonicMicros();
  OpenSession(run_.load, next_id_, next_id_, &client_);
  next_id_ += run_.step();
  if (next_id_ >= run_.load.options.connections) next_id_ %= run_.step();
}

void Visitor::OnConnected(const mqtt::Connack&) {
  accepted_ = true;
  ++run_.accepted;
  run_.latency.Add(MonotonicMicros() - opened_us_);
  client_.Disconnect();
}

void Visitor::OnClosed(std::string_view why) {
  if (accepted_) return Open();
  ++run_.failures;
  run_.losses.Note(ClientId(run_.load.options, next_id_), why);
  run_.loop.After(kRetryUs, [this] { Open(); });
}

}  // namespace

int RunConnect(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
