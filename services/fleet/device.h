#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "services/fleet/fleet_config.h"
#include "services/fleet/fleet_probe.h"
#include "services/fleet/io/mqtt_client.h"
#include "services/fleet/io/report_outbox.h"
#include "services/fleet/sim/device_codec.h"
#include "services/fleet/sim/device_sim.h"

namespace homeport::fleet {

// What all devices share.
struct FleetContext {
  EventLoop& loop;
  const FleetConfig& config;
  FleetProbe& probe;
  const std::vector<Endpoint>& gateways;
  const TlsClient* tls;
  std::mt19937_64& random;
};

// A simulated device on the network, with those behind it where it is a hub: connects and always
// comes back, reports, obeys commands, and keeps the ledger of what it sent until it is
// acknowledged. On the loop's thread.
class Device final : private MqttClient::Owner {
 public:
  struct Child {
    std::string id;
    const Kind* kind = nullptr;
    std::string_view link;
    uint64_t seed = 0;
  };
  struct Options {
    std::string id;
    std::string_view fleet_key;
    mqtt::Version version = mqtt::Version::k311;
    bool falls_silent = false;
    uint64_t seed = 0;
    std::vector<Child> children;
  };

  // Everything borrowed outlives the device.
  Device(FleetContext& context, const Kind& kind, const Options& options);
  ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void Connect();
  // No new reports or events; what is in flight is still seen through, for which a device that fell
  // silent comes back at once.
  void Quiesce();
  // Says DISCONNECT and does not come back.
  void Leave();

  [[nodiscard]] const std::string& id() const { return own().id; }
  [[nodiscard]] bool connected() const { return client_.connected(); }
  [[nodiscard]] bool was_connected() const { return was_connected_; }
  // Nothing waits for an acknowledgement.
  [[nodiscard]] bool settled() const { return outbox_.empty(); }
  [[nodiscard]] const ReportOutbox& outbox() const { return outbox_; }

 private:
  // The device itself, or a child behind it.
  struct Unit {
    std::string id;
    DeviceSim sim;
    std::string_view link = {};  // of a child
    bool is_attached = true;     // a child is not before its hub was told so
    int64_t reported_us = 0;

    [[nodiscard]] std::string Topic(std::string_view rest) const;
  };

  void OnConnected(const mqtt::Connack& connack) override;
  void OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) override;
  void OnMessage(const mqtt::PublishView& message) override;
  void OnInputEnd() override;
  void OnClosed(std::string_view why) override;

  void Retry();
  void Down();
  void Subscribe();
  void Attach();
  void OnTopology(std::string_view payload);
  [[nodiscard]] Unit& own() { return units_.front(); }
  [[nodiscard]] const Unit& own() const { return units_.front(); }
  // nullptr where it is none of ours.
  [[nodiscard]] Unit* Find(std::string_view id);
  [[nodiscard]] bool moving() const;
  void Wake();
  void PlanWake();
  void CatchUp();
  void PlanKeepAlive();
  void KeepAlive();
  void PlanSilence();
  void FallSilent();
  void ComeBack();
  void OnDownlink(Unit& unit, std::string_view rest, std::string_view payload);
  void Command(Unit& unit, Verb verb, std::string_view request, std::string_view payload);
  void ReportDue(Unit& unit);
  void Report(Unit& unit, const DeviceSim::Properties& properties);
  void ReportEvents(Unit& unit);
  void SendDue();
  void Publish(std::string_view topic, std::string_view payload, uint16_t packet_id, bool dup);
  void Flush();
  [[nodiscard]] double Uniform(double from, double to);

  FleetContext& context_;
  std::vector<Unit> units_;  // the device itself first
  const std::string user_name_;
  const std::string password_;
  const mqtt::Version version_;
  const bool falls_silent_;
  const int64_t keep_alive_us_;
  MqttClient client_;
  ReportOutbox outbox_;
  int64_t next_report_id_;  // from the wall clock, so that no restart ever repeats one
  int64_t backoff_us_;
  int64_t woke_us_;
  int64_t heard_us_ = 0;
  uint16_t next_reply_id_;
  bool quiet_ = false;
  bool left_ = false;
  bool was_connected_ = false;
  bool up_ = false;
  bool silent_ = false;
  EventLoop::TimerId wake_timer_;
  EventLoop::TimerId keep_alive_timer_;
  EventLoop::TimerId retry_timer_;
  EventLoop::TimerId silence_timer_;
  std::string scratch_;
};

}  // namespace homeport::fleet
