// paho_client CA URL...: the Paho C library in both versions over each URL: every QoS to itself, a
// retained message, a session that outlives its connection. Exit code 0 when all went well.
#include <MQTTClient.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int kTimeoutMs = 10'000;

void Check(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what.c_str());
  std::exit(1);
}

class Client {
 public:
  Client(const std::string& url, const std::string& ca, int version, const std::string& id)
      : url_(url), ca_(ca), version_(version) {
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = version;
    Check(MQTTClient_createWithOptions(&client_, url.c_str(), id.c_str(),
                                       MQTTCLIENT_PERSISTENCE_NONE, nullptr, &options) == 0,
          "create " + url);
  }
  ~Client() { MQTTClient_destroy(&client_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Returns "session present".
  bool Connect(bool clean) {
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.trustStore = ca_.c_str();
    tls.verify = 1;
    return is_v5() ? ConnectV5(clean, &tls) : ConnectV311(clean, &tls);
  }

  void Disconnect() {
    const int code =
        is_v5() ? MQTTClient_disconnect5(client_, kTimeoutMs, MQTTREASONCODE_SUCCESS, nullptr)
                : MQTTClient_disconnect(client_, kTimeoutMs);
    Check(code == 0, "disconnect from " + url_);
  }

  void Subscribe(const std::string& filter, int qos) {
    int code = 0;
    if (is_v5()) {
      MQTTResponse response = MQTTClient_subscribe5(client_, filter.c_str(), qos, nullptr, nullptr);
      code = static_cast<int>(response.reasonCode) == qos ? 0 : 1;
      MQTTResponse_free(response);
    } else {
      code = MQTTClient_subscribe(client_, filter.c_str(), qos);
    }
    Check(code == 0, "subscribe to " + filter);
  }

  void Publish(const std::string& topic, const std::string& payload, int qos, bool retained) {
    const int size = static_cast<int>(payload.size());
    MQTTClient_deliveryToken token = 0;
    if (is_v5()) {
      MQTTResponse response = MQTTClient_publish5(client_, topic.c_str(), size, payload.data(), qos,
                                                  retained ? 1 : 0, nullptr, &token);
      MQTTResponse_free(response);
    } else {
      MQTTClient_publish(client_, topic.c_str(), size, payload.data(), qos, retained ? 1 : 0,
                         &token);
    }
    if (qos > 0) {
      Check(MQTTClient_waitForCompletion(client_, token, kTimeoutMs) == 0, "publish " + payload);
    }
  }

  void Expect(const std::string& payload, bool retained) {
    char* topic = nullptr;
    int topic_size = 0;
    MQTTClient_message* message = nullptr;
    MQTTClient_receive(client_, &topic, &topic_size, &message, kTimeoutMs);
    Check(message != nullptr, "no message, waiting for " + payload + " from " + url_);
    const std::string found(static_cast<const char*>(message->payload),
                            static_cast<size_t>(message->payloadlen));
    Check(found == payload && (message->retained != 0) == retained,
          "found \"" + found + "\" instead of \"" + payload + "\"");
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
  }

 private:
  [[nodiscard]] bool is_v5() const { return version_ == MQTTVERSION_5; }

  bool ConnectV311(bool clean, MQTTClient_SSLOptions* tls) {
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    options.MQTTVersion = version_;
    options.cleansession = clean ? 1 : 0;
    options.ssl = tls;
    const int code = MQTTClient_connect(client_, &options);
    Check(code == 0, "connect to " + url_ + ": " + std::to_string(code));
    return options.returned.sessionPresent != 0;
  }

  bool ConnectV5(bool clean, MQTTClient_SSLOptions* tls) {
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
    options.cleanstart = clean ? 1 : 0;
    options.ssl = tls;
    MQTTProperty expiry{};
    expiry.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL;
    expiry.value.integer4 = 60;
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperties_add(&properties, &expiry);
    MQTTResponse response = MQTTClient_connect5(client_, &options, &properties, nullptr);
    const int code = static_cast<int>(response.reasonCode);
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
    Check(code == 0, "connect to " + url_ + ": " + std::to_string(code));
    return options.returned.sessionPresent != 0;
  }

  std::string url_;
  std::string ca_;
  int version_;
  MQTTClient client_ = nullptr;
};

void Play(const std::string& url, const std::string& ca, int version) {
  const std::string name = url.substr(0, url.find(':')) + "-" + std::to_string(version);
  const std::string topic = "paho-c/" + name;
  Client client(url, ca, version, name);
  static_cast<void>(client.Connect(true));
  client.Subscribe(topic + "/+", 2);
  for (int qos = 0; qos < 3; ++qos) {
    client.Publish(topic + "/a", "qos " + std::to_string(qos), qos, false);
    client.Expect("qos " + std::to_string(qos), false);
  }
  client.Publish(topic + "/kept", "kept", 1, true);
  client.Expect("kept", false);
  client.Subscribe(topic + "/kept", 1);
  client.Expect("kept", true);
  client.Publish(topic + "/kept", "", 1, true);
  client.Expect("", false);
  client.Disconnect();

  Check(!client.Connect(true), "a session after a clean start");
  client.Disconnect();
  static_cast<void>(client.Connect(false));
  client.Subscribe(topic + "/away", 1);
  client.Disconnect();
  Client other(url, ca, version, name + "-other");
  static_cast<void>(other.Connect(true));
  other.Publish(topic + "/away", "queued", 1, false);
  other.Disconnect();
  const bool present = client.Connect(false);
  // The library passes the flag on for 3.1.1 alone.
  Check(present || version != MQTTVERSION_3_1_1, "no session present on " + url);
  client.Expect("queued", false);
  client.Disconnect();
  static_cast<void>(client.Connect(true));
  client.Disconnect();
  std::printf("%s\n", name.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  for (int i = 2; i < count; ++i) {
    for (const int version : {MQTTVERSION_3_1, MQTTVERSION_3_1_1, MQTTVERSION_5}) {
      Play(arguments[i], arguments[1], version);
    }
  }
  return count > 2 ? 0 : 1;
}
