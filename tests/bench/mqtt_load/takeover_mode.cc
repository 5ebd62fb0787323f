#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
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
constexpr int64_t kTickUs = 10'000;
constexpr uint32_t kRoundsMax = 60;  // messages to each client: a bit each
constexpr uint32_t kPublishers = 8;
constexpr uint32_t kPublisherWindow = 50;
constexpr uint32_t kPublisherIds = 900'000;  // the client ids of publishers begin here

struct Stamp {
  int64_t sent_us = 0;
  uint64_t number = 0;
};

class Run;
class Mover;

// One connection of a client that may have two for a moment.
class Connection final : public fleet::MqttClient::Owner {
 public:
  Connection(Mover& mover, fleet::EventLoop& loop) : mover_(mover), client_(loop, *this) {}

  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t, mqtt::ReasonCode) override {}
  void OnSuback(const mqtt::Suback& suback) override;
  void OnMessage(const mqtt::PublishView& message) override;
  void OnClosed(std::string_view why) override;
  [[nodiscard]] fleet::MqttClient& client() { return client_; }

 private:
  Mover& mover_;
  fleet::MqttClient client_;
};

// A client with a session that outlives its connections, and the messages it has.
class Mover {
 public:
  Mover(Run& run, uint32_t index) : run_(run), index_(index) {}

  void Open();  // at the first server
  void Move();  // to the second one, while the connection to the first is there
  void OnConnected(Connection& which, const mqtt::Connack& connack);
  void OnSuback();
  void OnMessage(const Connection& which, const mqtt::PublishView& message);
  void OnClosed(Connection& which, std::string_view why);
  [[nodiscard]] uint64_t received() const { return received_; }

 private:
  void Connect(Connection& which);

  Run& run_;
  const uint32_t index_;
  std::unique_ptr<Connection> first_;
  std::unique_ptr<Connection> second_;
  int64_t asked_us_ = 0;
  uint64_t received_ = 0;  // a bit for each message
  uint64_t crossed_ = 0;   // received over the first connection when the second had been asked for
  bool subscribed_ = false;
  bool moved_ = false;
};

class Publisher final : public fleet::MqttClient::Owner {
 public:
  Publisher(Run& run, uint32_t index);
  void Open();
  [[nodiscard]] bool MayPublish() const {
    return client_.connected() && in_flight_ < kPublisherWindow;
  }
  void Publish(const std::string& topic, uint32_t number);
  [[nodiscard]] uint32_t in_flight() const { return in_flight_; }
  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t, mqtt::ReasonCode) override { --in_flight_; }
  void OnClosed(std::string_view why) override;

 private:
  Run& run_;
  const uint32_t index_;
  uint32_t in_flight_ = 0;
  uint16_t packet_id_ = 0;
  fleet::MqttClient client_;
};

// All clients come to the first server, then each moves to the second one, while messages go to
// them in turn: a round before the move, as many as there is time for during it, one after it.
class Run {
 public:
  Run(const Load& l, runtime::StopSignal& stop)
      : load(l),
        ramp(l.options.connections, l.options.connect_window,
             [this](uint32_t i) { movers_[i]->Open(); }),
        moves(l.options.connections, l.options.connect_window,
              [this](uint32_t i) { movers_[i]->Move(); }) {
    for (uint32_t i = 0; i < l.options.connections; ++i) {
      movers_.push_back(std::make_unique<Mover>(*this, i));
    }
    for (uint32_t i = 0; i < kPublishers; ++i) {
      publishers_.push_back(std::make_unique<Publisher>(*this, i));
    }
    PollStop(loop, stop, [this] { loop.Stop(); });
  }

  int Go() {
    ramp.Start();
    loop.Run();
    return finished_ && lost == 0 ? 0 : 1;
  }

  void Settled() {
    ramp.Finished();
    if (!ramp.done()) return;
    for (auto& publisher : publishers_) publisher->Open();
  }
  void PublisherReady() {
    if (++publishers_ready_ == kPublishers) Tick();
  }
  void Moved() {
    moves.Finished();
    if (!moves.done()) return;
    move_us_ = MonotonicMicros() - move_begun_us_;
    server_cpu_ = CpuSeconds(load.server_pids) - server_cpu_;
    last_round_ = std::min(round_ + 1, kRoundsMax - 1);
  }
  [[nodiscard]] std::string TopicOf(uint32_t index) const {
    return fmt::format("{}{}/load", load.options.client_prefix, index);
  }

  const Load& load;
  fleet::EventLoop loop;
  LossLog losses;
  Histogram connack;
  Histogram delivery;
  uint64_t failures = 0;
  uint64_t without_session = 0;
  uint64_t came_again = 0;  // marked by DUP
  uint64_t crossed = 0;     // not marked, where the former server had sent it during the move
  uint64_t late = 0;        // not marked, from the former server, which has not heard of the move
  uint64_t unmarked = 0;    // not marked, where the former server had sent it before
  uint64_t lost = 0;
  Ramp ramp;
  Ramp moves;

 private:
  void Tick();
  // One message to the next client; false when there is none to send now.
  bool PublishNext();
  void StartMove();
  [[nodiscard]] bool AllThere() const;
  void Finish();

  std::vector<std::unique_ptr<Mover>> movers_;
  std::vector<std::unique_ptr<Publisher>> publishers_;
  uint32_t publishers_ready_ = 0;
  double due_ = 0;
  uint32_t round_ = 0;  // the one under way
  uint32_t at_ = 0;     // whose message of the round is next
  uint32_t last_round_ = kRoundsMax;
  uint32_t turn_ = 0;
  uint64_t published_ = 0;
  int64_t move_begun_us_ = 0;
  int64_t move_us_ = 0;
  int64_t give_up_us_ = 0;
  double server_cpu_ = 0;
  bool finished_ = false;
};

void Run::Tick() {
  due_ = std::min(due_ + load.options.rate * kTickUs * 1e-6, load.options.rate);
  for (; due_ >= 1 && PublishNext(); due_ -= 1) {
  }
  const bool all_sent = round_ > last_round_;
  if (all_sent && give_up_us_ == 0) {
    give_up_us_ = MonotonicMicros() + static_cast<int64_t>(load.options.drain_s * 1e6);
  }
  if (all_sent && (AllThere() || MonotonicMicros() > give_up_us_)) return Finish();
  loop.After(kTickUs, [this] { Tick(); });
}

bool Run::PublishNext() {
  // The last bit is for the round after the move.
  const bool holds = last_round_ == kRoundsMax && round_ + 1 >= kRoundsMax;
  if (round_ > last_round_ || holds) return false;
  for (uint32_t i = 0; i < kPublishers; ++i) {
    Publisher& publisher = *publishers_[turn_++ % kPublishers];
    if (!publisher.MayPublish()) continue;
    publisher.Publish(TopicOf(at_), round_);
    ++published_;
    if (++at_ == movers_.size()) {
      at_ = 0;
      if (++round_ == 1) StartMove();
    }
    return true;
  }
  return false;
}

void Run::StartMove() {
  move_begun_us_ = MonotonicMicros();
  server_cpu_ = CpuSeconds(load.server_pids);
  moves.Start();
}

bool Run::AllThere() const {
  const uint64_t all = (uint64_t{1} << round_) - 1;
  return std::all_of(movers_.begin(), movers_.end(),
                     [all](const auto& mover) { return mover->received() == all; }) &&
         std::all_of(publishers_.begin(), publishers_.end(),
                     [](const auto& publisher) { return publisher->in_flight() == 0; });
}

void Run::Finish() {
  finished_ = true;
  loop.Stop();
  for (const auto& mover : movers_) {
    lost += round_ - static_cast<uint32_t>(__builtin_popcountll(mover->received()));
  }
  const double clients = static_cast<double>(movers_.size());
  const double seconds = static_cast<double>(move_us_) * 1e-6;
  Result result("mqtt_takeover");
  result.Text("label", load.options.label);
  result.Text("target", load.options.target);
  result.Count("clients", movers_.size());
  result.Count("connect_window", load.options.connect_window);
  result.Number("move_s", seconds);
  result.Number("moves_per_s", clients / seconds);
  result.Latency("connack", connack);
  result.Count("failures", failures);
  result.Count("without_session", without_session);
  result.Count("published", published_);
  result.Count("rounds", round_);
  result.Latency("delivery", delivery);
  result.Count("lost", lost);
  result.Count("came_again_marked", came_again);
  result.Count("came_again_crossed", crossed);
  result.Count("came_again_late", late);
  result.Count("came_again_unmarked", unmarked);
  result.Number("server_cpu_us_per_move", server_cpu_ * 1e6 / clients);
  result.Print();
}

void Connection::OnConnected(const mqtt::Connack& connack) { mover_.OnConnected(*this, connack); }
void Connection::OnSuback(const mqtt::Suback&) { mover_.OnSuback(); }
void Connection::OnMessage(const mqtt::PublishView& message) { mover_.OnMessage(*this, message); }
void Connection::OnClosed(std::string_view why) { mover_.OnClosed(*this, why); }

void Mover::Connect(Connection& which) {
  const uint32_t target = &which == second_.get() ? 1 : 0;
  OpenSession(run_.load, index_, target, &which.client(), SessionKind::kKept);
}

void Mover::Open() {
  first_ = std::make_unique<Connection>(*this, run_.loop);
  Connect(*first_);
}

void Mover::Move() {
  second_ = std::make_unique<Connection>(*this, run_.loop);
  asked_us_ = MonotonicMicros();
  Connect(*second_);
}

void Mover::OnConnected(Connection& which, const mqtt::Connack& connack) {
  if (&which == first_.get()) {
    if (subscribed_) return;  // back after a loss
    const std::vector<std::string> filters = {run_.TopicOf(index_)};
    which.client().Subscribe(1, filters, mqtt::Qos::kAtLeastOnce);
    return;
  }
  if (std::exchange(moved_, true)) return;  // back after a loss
  run_.connack.Add(MonotonicMicros() - asked_us_);
  run_.without_session += connack.session_present ? 0 : 1;
  run_.Moved();
}

void Mover::OnSuback() {
  if (!std::exchange(subscribed_, true)) run_.Settled();
}

void Mover::OnMessage(const Connection& which, const mqtt::PublishView& message) {
  Stamp stamp;
  if (message.payload.size() < sizeof stamp) return;
  std::memcpy(&stamp, message.payload.data(), sizeof stamp);
  const uint64_t bit = uint64_t{1} << stamp.number;
  if ((received_ & bit) != 0) {
    const bool is_late = &which == first_.get() && second_ != nullptr;
    ++(message.dup             ? run_.came_again
       : is_late               ? run_.late
       : (crossed_ & bit) != 0 ? run_.crossed
                               : run_.unmarked);
    return;
  }
  received_ |= bit;
  if (&which == first_.get() && second_) crossed_ |= bit;
  run_.delivery.Add(MonotonicMicros() - stamp.sent_us);
}

void Mover::OnClosed(Connection& which, std::string_view why) {
  if (&which == first_.get() && second_) return;  // taken over
  ++run_.failures;
  run_.losses.Note(ClientId(run_.load.options, index_), why);
  run_.loop.After(kRetryUs, [this, &which] { Connect(which); });
}

Publisher::Publisher(Run& run, uint32_t index)
    : run_(run), index_(index), client_(run.loop, *this) {}

void Publisher::Open() {
  OpenSession(run_.load, kPublisherIds + index_, 1, &client_, SessionKind::kClean);
}

void Publisher::OnConnected(const mqtt::Connack&) { run_.PublisherReady(); }

void Publisher::Publish(const std::string& topic, uint32_t number) {
  const Stamp stamp{MonotonicMicros(), number};
  mqtt::PublishHeader header;
  header.version = client_.version();
  header.topic = topic;
  header.payload_bytes = sizeof stamp;
  packet_id_ = static_cast<uint16_t>(packet_id_ % 60'000 + 1);
  header.packet_id = packet_id_;
  header.qos = mqtt::Qos::kAtLeastOnce;
  std::string bytes(mqtt::PublishHeaderBytes(header), '\0');
  mqtt::EncodePublishHeader(header, bytes.data());
  bytes.append(static_cast<const char*>(static_cast<const void*>(&stamp)), sizeof stamp);
  client_.Send(bytes);
  ++in_flight_;
}

void Publisher::OnClosed(std::string_view why) {
  run_.losses.Note("publisher", why);
  run_.loop.Stop();
}

}  // namespace

int RunTakeover(const Load& load, runtime::StopSignal& stop) { return Run(load, stop).Go(); }

}  // namespace homeport::bench
