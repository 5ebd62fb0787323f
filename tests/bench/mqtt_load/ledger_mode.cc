#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "libs/mqtt/encode.h"
#include "services/fleet/io/mqtt_client.h"
#include "services/fleet/io/report_outbox.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kTickUs = 5'000;
constexpr int64_t kBackoffUsMin = 100'000;
constexpr int64_t kBackoffUsMax = 3'000'000;
// An answer that takes longer than this is taken for a lost connection. A server that must wait for
// its own storage may be slow, so this is generous.
constexpr int64_t kStalledUs = 30'000'000;

struct Tally {
  uint64_t sent = 0;  // distinct reports
  uint64_t acked = 0;
  uint64_t resent = 0;
  uint64_t refused = 0;
  uint64_t unknown_acks = 0;
  uint64_t disconnects = 0;
  uint64_t connects = 0;
  int64_t last_ack_us = 0;
  int64_t ack_gap_us_max = 0;
  Histogram latency;        // from the latest sending
  Histogram total_latency;  // from the making
};

class Run;

class Device final : public fleet::MqttClient::Owner {
 public:
  Device(Run& run, uint32_t index);

  void Open();
  // Makes the next report and sends what may be sent.
  void Report();
  void CheckStalled(int64_t now_us);
  [[nodiscard]] bool done() const { return outbox_.empty(); }
  [[nodiscard]] std::string CsvLine() const;

  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) override;
  void OnInputEnd() override { SendDue(); }
  void OnClosed(std::string_view why) override;

 private:
  void SendDue();
  void Reconnect();

  Run& run_;
  const uint32_t index_;
  const std::string id_;
  const std::string topic_;
  fleet::MqttClient client_;
  fleet::ReportOutbox outbox_;
  uint32_t attempts_ = 0;
  int64_t backoff_us_ = kBackoffUsMin;
  int64_t next_id_;
  uint64_t sent_ = 0;
  uint64_t resent_ = 0;
  int64_t last_acked_ = 0;
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop) : load(l) {
    for (uint32_t i = 0; i < l.options.devices; ++i) {
      devices_.push_back(std::make_unique<Device>(*this, i));
    }
    PollStop(loop, stop, [this] { stopping_ = true; });
  }

  int Go() {
    for (auto& device : devices_) device->Open();
    start_us_ = tally.last_ack_us = MonotonicMicros();
    Tick();
    WatchStalls();
    loop.Run();
    return unacked_ == 0 ? 0 : 1;
  }

  [[nodiscard]] int64_t Jitter(int64_t up_to_us) {
    return std::uniform_int_distribution<int64_t>(0, up_to_us)(random_);
  }
  // Acknowledgements came, of reports that waited at least since the last call.
  void Acked(int64_t now_us) {
    tally.ack_gap_us_max = std::max(tally.ack_gap_us_max, now_us - tally.last_ack_us);
    tally.last_ack_us = now_us;
  }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  Tally tally;
  std::string scratch;

 private:
  void Tick();
  void WatchStalls();
  void Drain();
  void Finish();
  void WriteCsv() const;

  std::vector<std::unique_ptr<Device>> devices_;
  std::mt19937_64 random_{std::random_device{}()};
  int64_t start_us_ = 0;
  int64_t drain_us_ = 0;
  uint64_t made_ = 0;
  size_t unacked_ = 0;
  bool stopping_ = false;  // asked to end: makes no more reports, delivers those made
};

// Reports are made at the given rate, whatever the servers do: what cannot be sent piles up.
void Run::Tick() {
  const double elapsed_s = static_cast<double>(loop.now_us() - start_us_) * 1e-6;
  const double made_s = std::clamp(elapsed_s, 0.0, load.options.seconds);
  const auto due = static_cast<uint64_t>(made_s * load.options.rate);
  for (; made_ < due; ++made_) devices_[made_ % devices_.size()]->Report();
  if (stopping_ || elapsed_s >= load.options.seconds) {
    drain_us_ = MonotonicMicros();
    return Drain();
  }
  loop.After(kTickUs, [this] { Tick(); });
}

void Run::WatchStalls() {
  for (auto& device : devices_) device->CheckStalled(loop.now_us());
  loop.After(kStalledUs / 10, [this] { WatchStalls(); });
}

void Run::Drain() {
  const bool done = std::all_of(devices_.begin(), devices_.end(),
                                [](const auto& device) { return device->done(); });
  const double waited_s = static_cast<double>(MonotonicMicros() - drain_us_) * 1e-6;
  if (done || waited_s > load.options.drain_s) return Finish();
  loop.After(kTickUs, [this] { Drain(); });
}

void Run::WriteCsv() const {
  std::FILE* file = std::fopen(load.options.csv.c_str(), "w");
  if (file == nullptr) return log::Error("cannot_write", {{"file", load.options.csv}});
  std::fputs("device,last_acked_seq,count_sent,resent,unacked\n", file);
  for (const auto& device : devices_) std::fputs(device->CsvLine().c_str(), file);
  std::fclose(file);
}

void Run::Finish() {
  loop.Stop();
  const int64_t now = MonotonicMicros();
  unacked_ = made_ - tally.acked;
  if (!load.options.csv.empty()) WriteCsv();
  const LoadOptions& o = load.options;
  Result result("mqtt_ledger");
  result.Text("label", o.label);
  result.Text("target", o.target);
  result.Count("mqtt", static_cast<uint64_t>(o.mqtt));
  result.Count("tls", o.tls ? 1 : 0);
  result.Count("devices", o.devices);
  result.Number("rate", o.rate);
  result.Number("seconds", static_cast<double>(now - start_us_) * 1e-6);
  result.Count("made", made_);
  result.Count("sent", tally.sent);
  result.Count("acked", tally.acked);
  result.Count("unacked", unacked_);
  result.Count("resent", tally.resent);
  result.Count("refused", tally.refused);
  result.Count("unknown_acks", tally.unknown_acks);
  result.Count("connects", tally.connects);
  result.Count("disconnects", tally.disconnects);
  result.Count("ack_gap_ms_max", static_cast<uint64_t>(tally.ack_gap_us_max / 1000));
  result.Latency("puback", tally.latency);
  result.Latency("made_to_acked", tally.total_latency);
  result.Print();
}

Device::Device(Run& run, uint32_t index)
    : run_(run),
      index_(index),
      id_(ClientId(run.load.options, index)),
      topic_(fmt::format("device/{}/up/properties", id_)),
      client_(run.loop, *this),
      outbox_(run.load.options.window),
      next_id_(run.load.options.first_id) {}

void Device::Open() { OpenSession(run_.load, index_, index_ + attempts_++, &client_); }

void Device::Report() {
  fleet::ReportOutbox::Report report;
  report.id = next_id_++;
  report.payload =
      fmt::format(R"({{"params":[{{"siid":2,"piid":1,"value":{0}}}],"id":{0}}})", report.id);
  report.made_us = MonotonicMicros();
  outbox_.Push(std::move(report));
  SendDue();
}

void Device::SendDue() {
  if (!client_.connected()) return;
  while (fleet::ReportOutbox::Report* report = outbox_.Next()) {
    report->sent_us = MonotonicMicros();
    const bool again = report->times_sent > 1;
    if (again) {
      ++resent_;
      ++run_.tally.resent;
    } else {
      ++sent_;
      ++run_.tally.sent;
    }
    mqtt::Publish publish;
    publish.topic = topic_;
    publish.payload = report->payload;
    publish.packet_id = report->packet_id;
    publish.qos = mqtt::Qos::kAtLeastOnce;
    publish.dup = again;
    mqtt::EncodePublish(publish, client_.version(), &run_.scratch);
  }
  if (run_.scratch.empty()) return;
  client_.Send(run_.scratch);
  run_.scratch.clear();
}

void Device::OnConnected(const mqtt::Connack&) {
  ++run_.tally.connects;
  backoff_us_ = kBackoffUsMin;
  SendDue();
}

void Device::OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) {
  if (mqtt::IsFailure(reason)) {
    // Not taken: everything from here on goes again, in order, over a new connection.
    ++run_.tally.refused;
    run_.losses.Note(id_, mqtt::Name(reason));
    client_.Abort();
    return Reconnect();
  }
  const auto report = outbox_.Complete(packet_id);
  if (!report) {
    ++run_.tally.unknown_acks;
    return;
  }
  const int64_t now = MonotonicMicros();
  ++run_.tally.acked;
  run_.tally.latency.Add(now - report->sent_us);
  run_.tally.total_latency.Add(now - report->made_us);
  run_.Acked(now);
  last_acked_ = std::max(last_acked_, report->id);
}

void Device::OnClosed(std::string_view why) {
  run_.losses.Note(id_, why);
  Reconnect();
}

void Device::Reconnect() {
  ++run_.tally.disconnects;
  outbox_.ConnectionLost();
  const int64_t delay = backoff_us_ / 2 + run_.Jitter(backoff_us_);
  backoff_us_ = std::min(backoff_us_ * 2, kBackoffUsMax);
  run_.loop.After(delay, [this] { Open(); });
}

void Device::CheckStalled(int64_t now_us) {
  if (!client_.connected() || outbox_.in_flight() == 0) return;
  if (now_us - outbox_.reports().front().sent_us < kStalledUs) return;
  run_.losses.Note(id_, "no acknowledgement for long");
  client_.Abort();
  Reconnect();
}

std::string Device::CsvLine() const {
  return fmt::format("{},{},{},{},{}\n", id_, last_acked_, sent_, resent_, outbox_.size());
}

}  // namespace

int RunLedger(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
