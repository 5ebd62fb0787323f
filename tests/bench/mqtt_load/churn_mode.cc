#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/publish_template.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kRetryUs = 100'000;

std::string WithId(std::string text, const std::string& id) {
  constexpr std::string_view kPlace = "{id}";
  for (size_t at = text.find(kPlace); at != std::string::npos; at = text.find(kPlace, at)) {
    text.replace(at, kPlace.size(), id);
    at += id.size();
  }
  return text;
}

class Run;

// One client after the other: connects, subscribes, publishes, ends.
class Visitor final : public fleet::MqttClient::Owner {
 public:
  Visitor(Run& run, uint32_t index);
  void Open();
  void OnConnected(const mqtt::Connack& connack) override;
  void OnSuback(const mqtt::Suback& suback) override;
  void OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) override;
  void OnClosed(std::string_view why) override;

 private:
  // Every other session outlives its connection, every other pair ends without a DISCONNECT.
  [[nodiscard]] bool IsKept() const { return cycle_ % 2 == 1; }
  [[nodiscard]] bool BreaksOff() const { return cycle_ % 4 >= 2; }
  void Next();

  Run& run_;
  fleet::MqttClient client_;
  uint32_t id_;
  uint32_t cycle_ = 0;
  bool done_ = false;
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop) : load(l) {
    const uint32_t visitors = std::min(l.options.connect_window, l.options.connections);
    for (uint32_t i = 0; i < visitors; ++i) {
      visitors_.push_back(std::make_unique<Visitor>(*this, i));
    }
    PollStop(loop, stop, [this] { Finish(); });
  }

  int Go() {
    begun_us_ = MonotonicMicros();
    for (auto& visitor : visitors_) visitor->Open();
    loop.After(static_cast<int64_t>(load.options.seconds * 1e6), [this] { Finish(); });
    loop.Run();
    return cycles > 0 ? 0 : 1;
  }
  [[nodiscard]] uint32_t step() const { return static_cast<uint32_t>(visitors_.size()); }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  uint64_t cycles = 0;
  uint64_t failures = 0;
  uint64_t refused = 0;

 private:
  void Finish() {
    loop.Stop();
    const double seconds = static_cast<double>(MonotonicMicros() - begun_us_) * 1e-6;
    Result result("mqtt_churn");
    result.Text("label", load.options.label);
    result.Text("target", load.options.target);
    result.Count("clients", load.options.connections);
    result.Number("seconds", seconds);
    result.Count("cycles", cycles);
    result.Number("cycles_per_s", static_cast<double>(cycles) / seconds);
    result.Count("failures", failures);
    result.Count("refused", refused);
    result.Print();
  }

  std::vector<std::unique_ptr<Visitor>> visitors_;
  int64_t begun_us_ = 0;
};

Visitor::Visitor(Run& run, uint32_t index) : run_(run), client_(run.loop, *this), id_(index) {}

void Visitor::Open() {
  done_ = false;
  OpenSession(run_.load, id_, cycle_, &client_,
              IsKept() ? SessionKind::kKept : SessionKind::kClean);
}

void Visitor::OnConnected(const mqtt::Connack&) {
  const std::string filter = WithId(run_.load.options.filter, ClientId(run_.load.options, id_));
  client_.Subscribe(1, std::vector<std::string>{filter}, mqtt::Qos::kAtLeastOnce);
}

void Visitor::OnSuback(const mqtt::Suback& suback) {
  for (const mqtt::ReasonCode reason : suback.reasons) run_.refused += mqtt::IsFailure(reason);
  const std::string id = ClientId(run_.load.options, id_);
  PublishTemplateOptions options;
  options.version = client_.version();
  options.client_id = id;
  options.topic = run_.load.options.topic;
  options.payload = run_.load.options.payload;
  std::string bytes;
  PublishTemplate(options).Append(2, cycle_, &bytes);
  client_.Send(bytes);
}

void Visitor::OnPuback(uint16_t, mqtt::ReasonCode reason) {
  run_.refused += mqtt::IsFailure(reason);
  ++run_.cycles;
  done_ = true;
  if (!BreaksOff()) return client_.Disconnect();
  client_.Abort();
  Next();
}

void Visitor::Next() {
  ++cycle_;
  id_ += run_.step();
  if (id_ >= run_.load.options.connections) id_ %= run_.step();
  Open();
}

void Visitor::OnClosed(std::string_view why) {
  if (done_) return Next();
  ++run_.failures;
  run_.losses.Note(ClientId(run_.load.options, id_), why);
  run_.loop.After(kRetryUs, [this] { Open(); });
}

}  // namespace

int RunChurn(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
