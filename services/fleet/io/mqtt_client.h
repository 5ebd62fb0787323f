#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libs/mqtt/packets.h"
#include "libs/mqtt/publish_view.h"
#include "services/fleet/io/stream.h"

namespace homeport::fleet {

// An MQTT connection as a device has it: 3.1.1 and 5, over a Stream. Messages of QoS 1 and 2 are
// acknowledged here, and PUBREC of the server is; what is in flight upwards, keep-alive and
// reconnecting are the owner's. On the loop's thread.
class MqttClient final : private Stream::Owner {
 public:
  class Owner {
   public:
    // The server accepted the session.
    virtual void OnConnected(const mqtt::Connack& connack) = 0;
    // PUBACK, or the PUBCOMP of a QoS 2 publish.
    virtual void OnPuback(uint16_t packet_id, mqtt::ReasonCode reason) = 0;
    virtual void OnMessage(const mqtt::PublishView& /*message*/) {}
    virtual void OnSuback(const mqtt::Suback& /*suback*/) {}
    // After all packets of one read: the moment to write much at once.
    virtual void OnInputEnd() {}
    // The connection is gone: refused, lost, or ended by the server. The owner may Open() here.
    virtual void OnClosed(std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  // Both outlive the client.
  MqttClient(EventLoop& loop, Owner& owner) : loop_(loop), owner_(owner), stream_(loop, *this) {}
  ~MqttClient() { loop_.Cancel(&deadline_); }
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  // Connects and sends CONNECT, which must be answered within 15 s. REQUIRES: closed.
  void Open(const Endpoint& endpoint, const TlsClient* tls, const mqtt::Connect& connect);
  // Ends the connection without a word and without a callback.
  void Abort();
  // Sends DISCONNECT; the server then closes, which comes as OnClosed.
  void Disconnect();
  // Falls silent without closing (Stream::Freeze); Abort() ends it.
  void Freeze();

  // Between OnConnected and the end.
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] mqtt::Version version() const { return version_; }
  [[nodiscard]] size_t unsent_bytes() const { return stream_.unsent_bytes(); }

  void Subscribe(uint16_t packet_id, std::span<const std::string> filters, mqtt::Qos qos);
  void Ping();
  // Whole packets, encoded by the owner.
  void Send(std::string_view packets) { stream_.Write(packets); }

 private:
  void OnBytes(std::string_view bytes) override;
  void OnEnd(std::string_view why) override;
  // Consumes whole packets; returns how many bytes. Stops when the owner closed the connection.
  size_t Take(std::string_view bytes);
  void OnFrame(const mqtt::Frame& frame);
  // The middle of a QoS 2 exchange, either way: the answer it needs.
  [[nodiscard]] bool TakeQos2Step(const mqtt::Frame& frame);
  void Acknowledge(mqtt::PacketType type, uint16_t packet_id);
  void OnPublish(const mqtt::Frame& frame);
  void OnControl(const mqtt::Frame& frame);
  void Fail(std::string_view why);

  EventLoop& loop_;
  Owner& owner_;
  Stream stream_;
  EventLoop::TimerId deadline_;  // of the CONNACK
  mqtt::Version version_ = mqtt::Version::k311;
  bool connected_ = false;
  uint32_t generation_ = 0;
  std::string partial_;  // a packet whose end has not come yet
  std::string acks_;     // acknowledgements to send when this read is done
};

}  // namespace homeport::fleet
