#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <vector>

#include "libs/base/clock.h"
#include "libs/mqtt/encode.h"
#include "services/fleet/io/mqtt_client.h"
#include "tests/bench/mqtt_load/modes.h"
#include "tests/bench/mqtt_load/result.h"
#include "tests/bench/mqtt_load/server_usage.h"
#include "tests/bench/mqtt_load/session.h"

namespace homeport::bench {
namespace {

constexpr int64_t kRetryUs = 200'000;
constexpr uint16_t kPacketIds = 60'000;

class Run;

// Publisher or subscriber of one topic.
class Client final : public fleet::MqttClient::Owner {
 public:
  Client(Run& run, uint32_t index, uint32_t topic, bool listens)
      : run_(run), index_(index), topic_(topic), listens_(listens), client_(run_loop(run), *this) {}

  void Open();
  void Publish(int64_t now_us);
  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t, mqtt::ReasonCode) override {}
  void OnSuback(const mqtt::Suback& suback) override;
  void OnMessage(const mqtt::PublishView& message) override;
  void OnInputEnd() override;
  void OnClosed(std::string_view why) override;

 private:
  static fleet::EventLoop& run_loop(Run& run);

  Run& run_;
  const uint32_t index_;
  const uint32_t topic_;
  const bool listens_;
  uint16_t packet_id_ = 0;
  fleet::MqttClient client_;
};

// A topic in use: what its publishers have sent is to come to each of its subscribers.
struct Topic {
  std::string name;
  std::vector<Client*> publishers;
  uint64_t subscribers = 0;
  uint64_t owed = 0;  // deliveries
  size_t turn = 0;    // whose publish is next
};

class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop)
      : load(l),
        ramp_(l.options.publishers + l.options.subscribers, l.options.connect_window,
              [this](uint32_t i) { clients_[i]->Open(); }) {
    const LoadOptions& o = l.options;
    topics.resize(o.topics);
    for (uint32_t t = 0; t < o.topics; ++t) {
      topics[t].name = fmt::format("{}{}/load/{:05}", o.client_prefix, t, t);
    }
    for (uint32_t i = 0; i < o.subscribers + o.publishers; ++i) {
      const bool listens = i < o.subscribers;
      const uint32_t t = (listens ? i : i - o.subscribers) % o.topics;
      clients_.push_back(std::make_unique<Client>(*this, i, t, listens));
      if (listens) {
        ++topics[t].subscribers;
      } else {
        topics[t].publishers.push_back(clients_.back().get());
      }
    }
    PollStop(loop, stop, [this] { Finish(); });
  }

  int Go() {
    ramp_.Start();
    loop.Run();
    return delivered > 0 && lost == 0 ? 0 : 1;
  }

  void Ready() {
    ramp_.Finished();
    if (!ramp_.done()) return;
    for (Topic& topic : topics) Fill(topic);
    loop.After(static_cast<int64_t>(load.options.warm_up_s * 1e6), [this] { Begin(); });
  }

  // As many publishes as the window allows: one is under way until it has come to all.
  void Fill(Topic& topic) {
    const int64_t now = MonotonicMicros();
    const uint64_t most = load.options.window * topic.subscribers;
    while (topic.owed + topic.subscribers <= most) {
      topic.owed += topic.subscribers;
      topic.publishers[topic.turn++ % topic.publishers.size()]->Publish(now);
    }
  }

  void Delivered(uint32_t index, int64_t sent_us) {
    Topic& topic = topics[index];
    if (topic.owed > 0) --topic.owed;
    ++delivered;
    latency.Add(MonotonicMicros() - sent_us);
    if (topic.owed + topic.subscribers <= load.options.window * topic.subscribers) {
      to_fill_.push_back(index);
    }
  }
  void FillAll() {
    for (const uint32_t index : to_fill_) Fill(topics[index]);
    to_fill_.clear();
  }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  std::vector<Topic> topics;
  uint64_t delivered = 0;
  uint64_t lost = 0;
  Histogram latency;

 private:
  void Begin() {
    begun_us_ = MonotonicMicros();
    delivered = 0;
    latency = Histogram();
    server_cpu_ = CpuSeconds(load.server_pids);
    own_cpu_ = OwnCpuSeconds();
    loop.After(static_cast<int64_t>(load.options.seconds * 1e6), [this] { Finish(); });
  }

  void Finish();

  std::vector<std::unique_ptr<Client>> clients_;
  Ramp ramp_;
  std::vector<uint32_t> to_fill_;
  int64_t begun_us_ = 0;
  double server_cpu_ = 0;
  double own_cpu_ = 0;
};

void Run::Finish() {
  loop.Stop();
  if (begun_us_ == 0) return;
  const double seconds = static_cast<double>(MonotonicMicros() - begun_us_) * 1e-6;
  const double server_cpu = CpuSeconds(load.server_pids) - server_cpu_;
  const double count = delivered > 0 ? static_cast<double>(delivered) : 1;
  const LoadOptions& o = load.options;
  Result result("mqtt_deliver");
  result.Text("label", o.label);
  result.Text("target", o.target);
  result.Count("mqtt", static_cast<uint64_t>(o.mqtt));
  result.Count("qos", o.qos);
  result.Count("publishers", o.publishers);
  result.Count("subscribers", o.subscribers);
  result.Count("topics", o.topics);
  result.Count("window", o.window);
  result.Number("seconds", seconds);
  result.Count("delivered", delivered);
  result.Number("delivered_per_s", static_cast<double>(delivered) / seconds);
  result.Latency("delivery", latency);
  result.Count("lost_connections", lost);
  result.Number("server_cpu_us_per_delivery", server_cpu * 1e6 / count);
  result.Number("own_cpu_us_per_delivery", (OwnCpuSeconds() - own_cpu_) * 1e6 / count);
  result.Print();
}

fleet::EventLoop& Client::run_loop(Run& run) { return run.loop; }

void Client::Open() { OpenSession(run_.load, index_, index_, &client_); }

void Client::Publish(int64_t now_us) {
  if (!client_.connected()) return;
  char payload[16] = {};
  std::memcpy(payload, &now_us, sizeof now_us);
  mqtt::PublishHeader header;
  header.version = client_.version();
  header.topic = run_.topics[topic_].name;
  header.payload_bytes = sizeof payload;
  packet_id_ = packet_id_ % kPacketIds + 1;
  header.packet_id = packet_id_;
  header.qos = static_cast<mqtt::Qos>(run_.load.options.qos);
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  bytes.append(payload, sizeof payload);
  client_.Send(bytes);
}

void Client::OnConnected(const mqtt::Connack&) {
  if (!listens_) return run_.Ready();
  const std::vector<std::string> filters = {run_.topics[topic_].name};
  client_.Subscribe(1, filters, static_cast<mqtt::Qos>(run_.load.options.qos));
}

void Client::OnSuback(const mqtt::Suback&) { run_.Ready(); }

void Client::OnMessage(const mqtt::PublishView& message) {
  int64_t sent_us = 0;
  if (message.payload.size() < sizeof sent_us) return;
  std::memcpy(&sent_us, message.payload.data(), sizeof sent_us);
  run_.Delivered(topic_, sent_us);
}

void Client::OnInputEnd() { run_.FillAll(); }

void Client::OnClosed(std::string_view why) {
  ++run_.lost;
  run_.losses.Note(ClientId(run_.load.options, index_), why);
  run_.loop.After(kRetryUs, [this] { Open(); });
}

}  // namespace

int RunDeliver(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
