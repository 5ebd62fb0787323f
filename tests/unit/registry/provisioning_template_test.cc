#include "services/registry/core/provisioning_template.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "libs/json/print.h"

namespace homeport::registry {
namespace {

// A template whose thing is named by `name`, with the parameters A and B (preset "b").
std::string Body(std::string_view name) {
  return fmt::format(R"({{"Parameters":{{"A":{{"Type":"String"}},
    "B":{{"Type":"String","Default":"b"}},"AWS::IoT::Certificate::Id":{{"Type":"String"}}}},
    "Resources":{{"t":{{"Type":"AWS::IoT::Thing","Properties":{{"ThingName":{}}}}},
    "c":{{"Type":"AWS::IoT::Certificate","Properties":{{"Status":"Active"}}}},
    "p":{{"Type":"AWS::IoT::Policy","Properties":{{"PolicyName":"any"}}}}}},
    "DeviceConfiguration":{{"Url":"mqtts://x"}}}})",
                     name);
}

TEST_CASE("a thing's name comes from text and functions") {
  struct Row {
    const char* name;
    const char* thing;
  };
  for (const Row& row : {
           Row{R"("plain")", "plain"},
           Row{R"({"Ref":"A"})", "1-2"},
           Row{R"({"Fn::Join":["_",["x",{"Ref":"A"},{"Ref":"B"}]]})", "x_1-2_b"},
           Row{R"({"Fn::Join":["",["x"]]})", "x"},
           Row{R"({"Fn::Select":[1,["p","q"]]})", "q"},
           Row{R"({"Fn::Select":["0",{"Fn::Split":["-",{"Ref":"A"}]}]})", "1"},
           Row{R"({"Fn::Join":[".",{"Fn::Split":["-",{"Ref":"A"}]}]})", "1.2"},
           Row{R"({"Fn::Sub":"lamp-${A}-${B}"})", "lamp-1-2-b"},
           Row{R"({"Fn::Sub":["lamp-${X}",{"X":{"Ref":"B"}}]})", "lamp-b"},
           Row{R"({"Fn::Sub":"${AWS::IoT::Certificate::Id}"})", "c0ffee"},
       }) {
    INFO(row.name);
    const auto parsed = ProvisioningTemplate::Parse(Body(row.name));
    REQUIRE(parsed.ok());
    const auto made = parsed->Evaluate({{"A", "1-2"}, {"AWS::IoT::Certificate::Id", "c0ffee"}});
    REQUIRE(made.ok());
    CHECK(made->thing_name == row.thing);
    CHECK(json::Print(made->device_configuration) == R"({"Url":"mqtts://x"})");
  }
}

TEST_CASE("what a device may not ask for") {
  const auto parsed = ProvisioningTemplate::Parse(Body(R"({"Ref":"A"})"));
  REQUIRE(parsed.ok());
  CHECK(parsed->Evaluate({}).status().message() == "parameter A is missing");
  CHECK(parsed->Evaluate({{"A", "x"}, {"C", "y"}}).ok());  // C is somebody else's
  for (const char* name : {"", "a b", "a/b", "claim:1", "+"}) {
    INFO(name);
    CHECK_FALSE(parsed->Evaluate({{"A", name}}).ok());
  }
}

TEST_CASE("functions that cannot be") {
  for (const char* name : {
           R"({"Ref":5})",
           R"({"Fn::None":["a","b"]})",
           R"({"Fn::Select":[2,["p","q"]]})",
           R"({"Fn::Select":[-1,["p","q"]]})",
           R"({"Fn::Join":["-"]})",
           R"({"Fn::Join":["-","p"]})",
           R"({"Fn::Sub":["x",5,6]})",
           R"({"Fn::Join":["",{"Fn::Split":["","x"]}]})",
           R"({"Fn::Sub":"${Nothing}"})",
       }) {
    INFO(name);
    const auto parsed = ProvisioningTemplate::Parse(Body(name));
    REQUIRE(parsed.ok());
    CHECK(absl::IsInvalidArgument(parsed->Evaluate({{"A", "x"}}).status()));
  }
  std::string deep = R"("x")";
  for (int i = 0; i < 5; ++i) deep = fmt::format(R"({{"Fn::Join":["",[{}]]}})", deep);
  const auto parsed = ProvisioningTemplate::Parse(Body(deep));
  if (parsed.ok()) CHECK_FALSE(parsed->Evaluate({{"A", "x"}}).ok());
}

TEST_CASE("functions that call each other ever more often are stopped") {
  std::string often;
  for (int i = 0; i < 400; ++i) often += "${x}";
  std::string name = R"("")";
  for (int i = 0; i < 3; ++i) name = fmt::format(R"({{"Fn::Sub":["{}",{{"x":{}}}]}})", often, name);
  const auto parsed = ProvisioningTemplate::Parse(Body(name));
  REQUIRE(parsed.ok());
  CHECK(parsed->Evaluate({{"A", "x"}}).status().message() == "functions are called too often");
}

TEST_CASE("a template that cannot be is refused with the path of the fault") {
  struct Row {
    std::string body;
    const char* path;
  };
  for (const Row& row : {
           Row{"{", "body_json"},
           Row{"[]", "body_json"},
           Row{"{}", "Resources"},
           Row{R"({"Resources":{}})", "Resources"},
           Row{R"({"Resources":{"t":5}})", "Resources.t"},
           Row{R"({"Resources":{"t":{"Type":"AWS::S3::Bucket"}}})", "Resources.t.Type"},
           Row{R"({"Resources":{"t":{"Type":"AWS::IoT::Thing"}}})",
               "Resources.t.Properties.ThingName"},
           Row{R"({"Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":[]}}}})",
               "Resources.t.Properties.ThingName"},
           Row{R"({"Parameters":{"A":{"Type":"Number"}},"Resources":{}})", "Parameters.A.Type"},
           Row{Body(R"("x")") + std::string(11'000, ' '), "body_json"},
       }) {
    INFO(row.body.substr(0, 100));
    const absl::Status refused = ProvisioningTemplate::Parse(row.body).status();
    CHECK(Message(refused).substr(0, Message(refused).find(':')) == row.path);
  }
}

}  // namespace
}  // namespace homeport::registry
