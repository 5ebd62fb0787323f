#include "services/gateway/control/control_convert.h"

#include <catch2/catch.hpp>

#include "libs/base/reason.h"
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
       "description": "Fault", "format": "uint8", "access": ["read", "notify"]},
      {"iid": 4, "type": "urn:homeport-spec:property:scene:00000001:homeport-lamp1:1",
       "format": "string", "access": ["write"]},
      {"iid": 5, "type": "urn:homeport-spec:property:click:00000002:homeport-lamp1:1",
       "format": "uint8", "access": ["notify"]},
      {"iid": 6, "type": "urn:homeport-spec:property:seconds:00000003:homeport-lamp1:1",
       "format": "float", "access": [], "value-range": [0, 10, 0.1]}],
    "actions": [{"iid": 1, "type": "urn:miot-spec-v2:action:toggle:00002811:homeport-lamp1:1",
      "description": "Toggle", "in": [], "out": []},
      {"iid": 2, "type": "urn:homeport-spec:action:dim:00000004:homeport-lamp1:1",
       "in": [2, 6], "out": [3, 6]}]}]})";

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
      {"fan.on", 0, model::Code::kNoService},
      {"light", 0, model::Code::kInvalidId},
  };
  for (const RefusedCase& c : cases) {
    INFO(c.name << " = " << c.value);
    const CommandPayload payload = SetPayload(lamp, Set(c.name, Int(c.value)));
    REQUIRE(payload.violations.size() == 1);
    CHECK(payload.first_code == c.code);
    CHECK(payload.violations[0].field.substr(0, 13) == "properties[0]");
    const std::string code = std::to_string(static_cast<int>(c.code));
    CHECK(payload.codes == rpc::ErrorMetadata{{"code", code}, {"code[0]", code}});
    CHECK(payload.violations[0].description.find("(" + code + ")") != std::string::npos);
  }
}

TEST_CASE("what is not in the model is refused with MIoT's code, by number too") {
  struct Row {
    int32_t siid, iid;
    model::Code set, get, act;
  };
  using C = model::Code;
  const model::Model lamp = Lamp();
  for (const Row& row : {Row{9, 1, C::kNoService, C::kNoService, C::kNoService},
                         Row{2, 99, C::kNoProperty, C::kNoProperty, C::kNoAction},
                         Row{-1, 1, C::kInvalidId, C::kInvalidId, C::kInvalidId},
                         Row{2, -1, C::kInvalidId, C::kInvalidId, C::kInvalidId}}) {
    INFO(row.siid << "." << row.iid);
    control::v1::SetPropertiesRequest set;
    set.add_properties()->mutable_property()->set_siid(row.siid);
    set.mutable_properties(0)->mutable_property()->set_piid(row.iid);
    CHECK(SetPayload(lamp, set).first_code == row.set);
    control::v1::GetPropertiesRequest get;
    *get.add_properties() = set.properties(0).property();
    CHECK(GetPayload(lamp, get).first_code == row.get);
    control::v1::InvokeActionRequest act;
    act.set_siid(row.siid);
    act.set_aiid(row.iid);
    CHECK(ActionPayload(lamp, act).first_code == row.act);
  }
}

TEST_CASE("of many violations all that fit an error are listed") {
  const model::Model lamp = Lamp();
  control::v1::SetPropertiesRequest request;
  for (int i = 0; i < 100; ++i) {
    *request.add_properties() = Set("light.brightness", Int(i == 0 ? 40 : 0)).properties(0);
  }
  const CommandPayload payload = SetPayload(lamp, request);
  CHECK(payload.violations.size() == 25);
  CHECK(payload.codes.size() == 26);
  CHECK(payload.codes.at("code[1]") == "-704220043");
  CHECK(payload.codes.count("code[0]") == 0);
}

TEST_CASE("the device is asked for readable properties only") {
  struct Row {
    const char* name;
    model::Code code;
  };
  const model::Model lamp = Lamp();
  for (const Row& row :
       {Row{"light.on", model::Code::kOk}, Row{"light.scene", model::Code::kNotReadable},
        Row{"light.click", model::Code::kNotReadable},
        Row{"light.seconds", model::Code::kNotReadable}}) {
    INFO(row.name);
    control::v1::GetPropertiesRequest request;
    request.add_properties()->set_name(row.name);
    CHECK(GetPayload(lamp, request).first_code == row.code);
  }
  CHECK(GetPayload(lamp, {}).json ==
        R"({"params":[{"siid":2,"piid":1},{"siid":2,"piid":2},{"siid":2,"piid":3}]})");
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
  request.set_action("fan.toggle");
  CHECK(ActionPayload(lamp, request).first_code == model::Code::kNoService);
}

TEST_CASE("action arguments go to the device as the model has them") {
  const model::Model lamp = Lamp();
  control::v1::InvokeActionRequest request;
  request.set_action("light.dim");
  request.add_arguments()->set_double_value(3.0);
  request.add_arguments()->set_double_value(double{2.3f});
  CHECK(ActionPayload(lamp, request).json == R"({"siid":2,"aiid":2,"in":[3,2.3]})");
  request.mutable_arguments(1)->set_double_value(2.35);
  const CommandPayload refused = ActionPayload(lamp, request);
  CHECK(refused.first_code == model::Code::kWrongArgument);
  REQUIRE(refused.violations.size() == 1);
  CHECK(refused.violations[0].field == "arguments[1]");
  CHECK(refused.codes.count("code[1]") == 1);
}

TEST_CASE("action results are checked, and come in the order of the model") {
  struct Row {
    const char* name;
    const char* reply;
    int32_t code;
    size_t results;
  };
  const model::Model lamp = Lamp();
  const Asked asked{model::Verb::kAction, lamp.FindAction("light.dim")};
  for (const Row& row :
       {Row{"bare", R"({"code":0,"out":[7.0,2.3]})", 0, 2},
        Row{"by piid", R"({"code":0,"out":[{"piid":6,"value":2.3},{"piid":3,"value":7}]})", 0, 2},
        Row{"none", R"({"code":0})", -704222034, 0},
        Row{"too few", R"({"code":0,"out":[7]})", -704222034, 0},
        Row{"a wrong one", R"({"code":0,"out":[7,99]})", -704222035, 0},
        Row{"accepted: there are none yet", R"({"code":1})", 1, 0},
        Row{"accepted, with an empty list", R"({"code":1,"out":[]})", 1, 0},
        Row{"failed", R"({"code":-4004,"out":[]})", -704002000, 0},
        Row{"no such action", R"({"code":-4003})", -704040005, 0}}) {
    INFO(row.name);
    const absl::StatusOr<DeviceReply> reply = ParseReply(row.reply, lamp, asked);
    REQUIRE(reply.ok());
    CHECK(reply->code == row.code);
    REQUIRE(reply->out.size() == row.results);
    if (row.results == 0) continue;
    CHECK(reply->out[0].int_value() == 7);
    CHECK(reply->out[1].double_value() == 2.3);
  }
}

TEST_CASE("values of a reply that the model forbids are not passed on") {
  const model::Model lamp = Lamp();
  const auto reply = ParseReply(R"({"code":0,"params":[{"siid":2,"piid":2,"value":40.0},
      {"siid":2,"piid":1,"value":1},{"siid":2,"piid":3,"code":-4001},
      {"siid":99,"piid":3,"code":-4003}]})",
                                lamp, {model::Verb::kGet});
  REQUIRE(reply.ok());
  REQUIRE(reply->params.size() == 4);
  CHECK(reply->params[0].value().int_value() == 40);
  CHECK_FALSE(reply->params[1].has_value());
  CHECK(reply->params[1].code() == -704220043);
  CHECK(reply->params[2].code() == -704030013);
  CHECK(reply->params[3].code() == -704040003);
}

TEST_CASE("the outcome is the worst of the device's codes") {
  const model::Model lamp = Lamp();
  const auto outcome = [&](std::string_view reply) {
    const absl::StatusOr<DeviceReply> parsed = ParseReply(reply, lamp, {model::Verb::kSet});
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
  CHECK(outcome(R"({"code":-702000000})") == control::v1::OUTCOME_DONE);
  CHECK(outcome(R"({"code":-702010000})") == control::v1::OUTCOME_ACCEPTED);
  const Asked asked{model::Verb::kGet};
  for (const std::string_view bad : {"[]", "{\"params\":[1]}", "\xff"}) {
    CHECK(ReasonOf(ParseReply(bad, lamp, asked).status()) == "DEVICE_REPLY_INVALID");
  }
}

TEST_CASE("reported leaves become typed properties; int64 stays exact") {
  const model::Model lamp = Lamp();
  const auto values = ToProperties(
      R"({"light":{"brightness":40.0,"count":9007199254740993,"on":"yes"},"x":{"y":{"z":[1,2]}},"gone":null})",
      R"({"light":{"brightness":{"timestamp":1700000000}}})", &lamp);
  REQUIRE(values.size() == 5);
  CHECK(values[0].property().siid() == 2);
  CHECK(values[0].property().piid() == 2);
  CHECK(values[0].value().int_value() == 40);
  CHECK(values[0].update_time().seconds() == 1700000000);
  CHECK(values[1].value().int_value() == 9007199254740993);
  // Written past the model: it does not pass for a value of the property.
  CHECK(values[2].property().name() == "light.on");
  CHECK_FALSE(values[2].has_value());
  CHECK(values[2].code() == -704220043);
  CHECK(values[3].property().name() == "x.y.z");
  CHECK(values[3].value().string_value() == "[1,2]");
  CHECK_FALSE(values[4].has_value());
  CHECK(values[4].code() == 0);
}

}  // namespace
}  // namespace homeport::gateway
