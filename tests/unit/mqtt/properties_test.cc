#include "libs/mqtt/properties.h"

#include <catch2/catch.hpp>

#include "libs/mqtt/encode.h"
#include "tests/unit/mqtt/exact_block.h"
#include "tests/unit/mqtt/wire_cases.h"

namespace homeport::mqtt {
namespace {

struct Row {
  const char* name;
  PropertyPlace place;
  const char* hex;  // the property without the list's length
  void (*set)(Properties*);
};

constexpr auto kWill = PropertyPlace::kWill;
constexpr auto kConnect = PlaceOf(PacketType::kConnect);
constexpr auto kConnack = PlaceOf(PacketType::kConnack);
constexpr auto kPublish = PlaceOf(PacketType::kPublish);
constexpr auto kSubscribe = PlaceOf(PacketType::kSubscribe);
constexpr auto kAuth = PlaceOf(PacketType::kAuth);

const Row kRows[] = {
    {"payload format", kPublish, "01 01", [](Properties* p) { p->payload_is_utf8 = true; }},
    {"message expiry", kWill, "02 01020304",
     [](Properties* p) { p->message_expiry_s = 0x01020304; }},
    {"content type", kPublish, "03 0001 61", [](Properties* p) { p->content_type = "a"; }},
    {"response topic", kPublish, "08 0001 61", [](Properties* p) { p->response_topic = "a"; }},
    {"correlation data", kPublish, "09 0001 61", [](Properties* p) { p->correlation_data = "a"; }},
    {"subscription id", kSubscribe, "0B 8001", [](Properties* p) { p->subscription_ids = {128}; }},
    {"subscription ids", kPublish, "0B 01 0B 01",
     [](Properties* p) {
       p->subscription_ids = {1, 1};
     }},
    {"session expiry", kConnect, "11 FFFFFFFF",
     [](Properties* p) { p->session_expiry_s = UINT32_MAX; }},
    {"assigned client id", kConnack, "12 0001 61",
     [](Properties* p) { p->assigned_client_id = "a"; }},
    {"server keep alive", kConnack, "13 0102",
     [](Properties* p) { p->server_keep_alive_s = 0x0102; }},
    {"authentication method", kAuth, "15 0001 61",
     [](Properties* p) { p->authentication_method = "a"; }},
    {"authentication data", kAuth, "15 0001 61 16 0000",
     [](Properties* p) {
       p->authentication_method = "a";
       p->authentication_data = "";
     }},
    {"request problem information", kConnect, "17 00",
     [](Properties* p) { p->request_problem_information = false; }},
    {"will delay", kWill, "18 00000005", [](Properties* p) { p->will_delay_s = 5; }},
    {"request response information", kConnect, "19 01",
     [](Properties* p) { p->request_response_information = true; }},
    {"response information", kConnack, "1A 0001 61",
     [](Properties* p) { p->response_information = "a"; }},
    {"server reference", kConnack, "1C 0001 61", [](Properties* p) { p->server_reference = "a"; }},
    {"reason string", kConnack, "1F 0001 61", [](Properties* p) { p->reason_string = "a"; }},
    {"receive maximum", kConnect, "21 FFFF", [](Properties* p) { p->receive_max = 65'535; }},
    {"topic alias maximum", kConnack, "22 000A", [](Properties* p) { p->topic_alias_max = 10; }},
    {"topic alias", kPublish, "23 0001", [](Properties* p) { p->topic_alias = 1; }},
    {"maximum QoS", kConnack, "24 01", [](Properties* p) { p->qos_max = 1; }},
    {"retain available", kConnack, "25 00", [](Properties* p) { p->retain_available = false; }},
    {"user properties", kWill, "26 0001 61 0000 26 0001 61 0001 62",
     [](Properties* p) {
       p->user_properties = {{"a", ""}, {"a", "b"}};
     }},
    {"maximum packet size", kConnack, "27 00000001",
     [](Properties* p) { p->packet_bytes_max = 1; }},
    {"wildcards available", kConnack, "28 00",
     [](Properties* p) { p->wildcard_subscription_available = false; }},
    {"identifiers available", kConnack, "29 00",
     [](Properties* p) { p->subscription_id_available = false; }},
    {"shared available", kConnack, "2A 01",
     [](Properties* p) { p->shared_subscription_available = true; }},
};

TEST_CASE("each property is written and read as its bytes") {
  for (const Row& row : kRows) {
    INFO(row.name);
    Properties properties;
    row.set(&properties);
    const std::string bytes = FromHex(row.hex);

    std::string written;
    EncodeProperties(properties, row.place, &written);
    CHECK(written == std::string(1, static_cast<char>(bytes.size())) + bytes);
    CHECK(PropertyBytes(properties, row.place) == bytes.size());

    const ExactBlock block(bytes);
    Properties read;
    CHECK(DecodeProperties(block.view(), row.place, Limits{}, &read).ok());
    CHECK(read == properties);
  }
}

TEST_CASE("each property list cut at any byte is malformed or a shorter list") {
  for (const Row& row : kRows) {
    INFO(row.name);
    const std::string bytes = FromHex(row.hex);
    Properties whole;
    row.set(&whole);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const ExactBlock block(bytes.substr(0, size));
      Properties read;
      const DecodeError error = DecodeProperties(block.view(), row.place, Limits{}, &read);
      CHECK((error.ok() ? !(read == whole) : error.reason == ReasonCode::kMalformedPacket));
    }
  }
}

// MQTT 5 table 2-4, the column of packets, as bits 0 (will) to 15 (AUTH).
TEST_CASE("each property is allowed where the table says and nowhere else") {
  struct Place {
    const char* hex;
    unsigned places;
  };
  const Place table[] = {
      {"01 00", 0x0009},       {"02 00000000", 0x0009},     {"03 0000", 0x0009},
      {"08 0001 61", 0x0009},  {"09 0000", 0x0009},         {"0B 01", 0x0108},
      {"11 00000000", 0x4006}, {"12 0000", 0x0004},         {"13 0000", 0x0004},
      {"15 0000", 0x8006},     {"15 0000 16 0000", 0x8006}, {"17 00", 0x0002},
      {"18 00000000", 0x0001}, {"19 00", 0x0002},           {"1A 0000", 0x0004},
      {"1C 0000", 0x4004},     {"1F 0000", 0xCAF4},         {"21 0001", 0x0006},
      {"22 0000", 0x0006},     {"23 0001", 0x0008},         {"24 00", 0x0004},
      {"25 00", 0x0004},       {"26 0000 0000", 0xCFFF},    {"27 00000001", 0x0006},
      {"28 00", 0x0004},       {"29 00", 0x0004},           {"2A 00", 0x0004},
  };
  for (const Place& row : table) {
    for (unsigned place = 0; place < 16; ++place) {
      INFO(row.hex << " in " << place);
      Properties read;
      const DecodeError error =
          DecodeProperties(FromHex(row.hex), static_cast<PropertyPlace>(place), Limits{}, &read);
      const bool allowed = (row.places >> place & 1u) != 0;
      CHECK(error.reason == (allowed ? ReasonCode::kSuccess : ReasonCode::kMalformedPacket));
    }
  }
}

TEST_CASE("what a place does not allow is not written") {
  Properties properties;
  properties.will_delay_s = 5;
  properties.content_type = "t";
  std::string written;
  EncodeProperties(properties, kPublish, &written);
  CHECK(written == FromHex("04 03 0001 74"));
}

TEST_CASE("the count of user properties is limited") {
  Limits limits;
  limits.user_properties_max = 2;
  const std::string one = FromHex("26 0000 0000");
  Properties read;
  CHECK(DecodeProperties(one + one, kConnect, limits, &read).ok());
  CHECK(DecodeProperties(one + one + one, kConnect, limits, &read).reason ==
        ReasonCode::kQuotaExceeded);
}

}  // namespace
}  // namespace homeport::mqtt
