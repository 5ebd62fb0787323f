#include "tests/bench/mqtt_load/publish_template.h"

#include <catch2/catch.hpp>
#include <string>

#include "libs/mqtt/frame_decoder.h"
#include "libs/mqtt/publish_view.h"

namespace homeport::bench {
namespace {

TEST_CASE("each copy is a PUBLISH with its own identifier and number") {
  for (const mqtt::Version version : {mqtt::Version::k311, mqtt::Version::k5}) {
    PublishTemplateOptions options;
    options.version = version;
    options.client_id = "d-7";
    options.topic = "device/{id}/up/properties";
    options.payload = R"({"a":{seq},"who":"{id}","b":{seq}})";
    options.payload_bytes = 80;
    const PublishTemplate publish(options);
    std::string bytes = "x";
    publish.Append(513, 42, &bytes);
    const auto result = mqtt::DecodeFrame(std::string_view(bytes).substr(1), 1000);
    REQUIRE(result.kind == mqtt::FrameResult::Kind::kFrame);
    mqtt::PublishView view;
    mqtt::DecodeOptions decode;
    decode.version = version;
    REQUIRE(mqtt::DecodePublishView(result.frame, decode, &view).ok());
    CHECK(view.topic == "device/d-7/up/properties");
    CHECK(view.packet_id == 513);
    CHECK(view.qos == mqtt::Qos::kAtLeastOnce);
    CHECK_FALSE(view.dup);
    CHECK(view.payload.size() == 80);
    CHECK(view.payload.find(R"({"a":1000000042,"who":"d-7","b":1000000042,"pad":"xx)") == 0);
    CHECK(view.payload.substr(78) == "\"}");
  }
}

TEST_CASE("what is no JSON object is padded with spaces") {
  PublishTemplateOptions options;
  options.topic = "t";
  options.payload = "plain";
  options.payload_bytes = 8;
  std::string bytes;
  PublishTemplate(options).Append(1, 0, &bytes);
  CHECK(bytes.substr(bytes.size() - 8) == "plain   ");
}

}  // namespace
}  // namespace homeport::bench
