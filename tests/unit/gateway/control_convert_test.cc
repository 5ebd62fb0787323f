#include "services/gateway/control/control_convert.h"

#include <catch2/catch.hpp>

#include "libs/json/print.h"
#include "libs/model/parse.h"

namespace homeport::gateway {
namespace {

constexpr std::string_view kLamp = R"({
  "type": "urn:miot-spec-v2:device:light:0000A001:homeport-lamp1:1", "description": "Lamp",
  "services": [{"iid": 2, "type": "urn:miot-spec-v2:service:light:00007802:homeport-lamp1:1",
    "description": "Light",
    "properties": [
      {"iid": 1, "type": "urn:miot-spec-v2:property:on:00000006:homeport-lamp1:1",
       "description": "On", "format": "bool", "access": ["read", "write", "notify"]},
      {"iid": 2, "type": "urn:miot-spec-v2:property:brightness:0000000D:homeport-lamp1:1",
       "description": "Brightness", "format": "uint8", "access": ["read", "write", "notify"],
       "value-range": [1, 100, 1]},
      {"iid": 3, "type": "urn:miot-spec-v2:property:fault:00000009:homeport-lamp1:1",
       "description": "Fault", "format": "uint8", "access": ["read", "notify"]}],
    "actions": [{"iid": 1, "type": "urn:miot-spec-v2:action:toggle:00002811:homeport-lamp1:1",
      "description": "Toggle", "in": [], "out": []}]}]})";

model::Model Lamp() {
  absl::StatusOr<model::Model> model = model::ParseModel(kLamp);
  REQUIRE(model.ok());
  return *std::move(model);
}

control::v1::SetPropertiesRequest Set(const std::string& name, type::v1::Value value) {
  control::v1::SetPropertiesRequest request;
  auto* property = request.add_properties();
  property->mutable_property()->set_name(name);
  *property->mutable_value() = std::move(value);
  return request;
}

type::v1::Value Int(int64_t value) {
  type::v1::Value out;
  out.set_int_value(value);
  return out;
}

TEST_CASE("a set becomes the payload the device reads, by name or by ids") {
  const model::Model lamp = Lamp();
  CHECK(SetPayload(lamp, Set("light.brightness", Int(40))).json ==
        R"({"params":[{"siid":2,"piid":2,"value":40}]})");
  control::v1::SetPropertiesRequest by_id;
  by_id.add_properties()->mutable_property()->set_siid(2);
  by_id.mutable_properties(0)->mutable_property()->set_piid(1);
  by_id.mutable_properties(0)->mutable_value()->set_bool_value(true);
  CHECK(SetPayload(lamp, by_id).json == R"({"params":[{"siid":2,"piid":1,"value":true}]})");
}

struct RefusedCase {
  const char* name;
  int64_t value;
  model::Code code;
};

TEST_CASE("what the model forbids is refused with the field and MIoT's code") {
  const model::Model lamp = Lamp();
  const RefusedCase cases[] = {
      {"light.brightness", 0, model::Code::kWrongValue},
      {"light.brightness", 101, model::Code::kWrongValue},
      {"light.on", 1, model::Code::kWrongValue},
      {"light.fault", 0, model::Code::kNotWritable},
      {"light.colour", 0, model::Code::kNoProperty},
  };
  for (const RefusedCase& c : cases) {
    INFO(c.name << " = " << c.value);
    const CommandPayload payload = SetPayload(lamp, Set(c.name, Int(c.value)));
    REQUIRE(payload.violations.size() == 1);
    CHECK(payload.first_code == c.code);
    CHECK(payload.violations[0].field.substr(0, 13) == "properties[0]");
  }
}

TEST_CASE("actions are checked against the model") {
  const model::Model lamp = Lamp();
  control::v1::InvokeActionRequest request;
  request.set_action("light.toggle");
  CHECK(ActionPayload(lamp, request).json == R"({"siid":2,"aiid":1,"in":[]})");
  request.add_arguments()->set_bool_value(true);
  CHECK(ActionPayload(lamp, request).first_code == model::Code::kWrongArgumentCount);
  request.set_action("light.explode");
  CHECK(ActionPayload(lamp, request).first_code == model::Code::kNoAction);
}

TEST_CASE("the outcome is the worst of the device's codes") {
  const model::Model lamp = Lamp();
  const auto outcome = [&](std::string_view reply) {
    const absl::StatusOr<DeviceReply> parsed = ParseReply(reply, lamp);
    REQUIRE(parsed.ok());
    return OutcomeOf(*parsed);
  };
  CHECK(outcome(R"({"code":0,"params":[{"siid":2,"piid":1,"code":0}]})") ==
        control::v1::OUTCOME_DONE);
  CHECK(outcome(R"({"code":0,"params":[{"siid":2,"piid":1,"code":1}]})") ==
        control::v1::OUTCOME_ACCEPTED);
  CHECK(outcome(R"({"code":0,"params":[{"code":1},{"code":-4005}]})") ==
        control::v1::OUTCOME_FAILED);
  CHECK(outcome(R"({"code":-4001})") == control::v1::OUTCOME_FAILED);
  CHECK_FALSE(ParseReply("[]", lamp).ok());
  CHECK_FALSE(ParseReply("{\"params\":[1]}", lamp).ok());
  CHECK_FALSE(ParseReply("\xff", lamp).ok());
}

TEST_CASE("reported leaves become typed properties; int64 stays exact") {
  const model::Model lamp = Lamp();
  const auto values =
      ToProperties(R"({"light":{"brightness":9007199254740993},"x":{"y":{"z":[1,2]}},"gone":null})",
                   R"({"light":{"brightness":{"timestamp":1700000000}}})", &lamp);
  REQUIRE(values.size() == 3);
  CHECK(values[0].property().siid() == 2);
  CHECK(values[0].property().piid() == 2);
  CHECK(values[0].value().int_value() == 9007199254740993);
  CHECK(values[0].update_time().seconds() == 1700000000);
  CHECK(values[1].property().name() == "x.y.z");
  CHECK(values[1].value().string_value() == "[1,2]");
  CHECK_FALSE(values[2].has_value());
}

}  // namespace
}  // namespace homeport::gateway
