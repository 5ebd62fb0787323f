#include "services/fleet/sim/device_codec.h"

#include <catch2/catch.hpp>
#include <string>

namespace homeport::fleet {
namespace {

std::unique_ptr<Kind> KindNamed(std::string_view name) {
  for (const KindSpec& spec : Catalog()) {
    if (spec.name == name) return MakeKind(spec).value();
  }
  return nullptr;
}

struct Row {
  const char* name;
  Verb verb;
  const char* command;
  const char* answer;
};

// To a lamp: siid 2 light, piid 1 on, 3 brightness 1-100; aiid 1 toggle; siid 1 is read-only.
constexpr Row kRows[] = {
    {"a value that fits is taken and told back", Verb::kSet,
     R"({"params":[{"siid":2,"piid":3,"value":55}]})",
     R"({"code":0,"params":[{"siid":2,"piid":3,"code":0,"value":55}]})"},
    {"each property has its own code, the first failure's is the whole's", Verb::kSet,
     R"({"params":[{"siid":2,"piid":1,"value":false},{"siid":2,"piid":3,"value":101},)"
     R"({"siid":1,"piid":1,"value":"x"},{"siid":9,"piid":1,"value":1},)"
     R"({"siid":2,"piid":99,"value":1},{"siid":2,"piid":3}]})",
     R"({"code":-704220043,"params":[{"siid":2,"piid":1,"code":0,"value":false},)"
     R"({"siid":2,"piid":3,"code":-704220043},{"siid":1,"piid":1,"code":-704030023},)"
     R"({"siid":9,"piid":1,"code":-704040002},{"siid":2,"piid":99,"code":-704040003},)"
     R"({"siid":2,"piid":3,"code":-704220043}]})"},
    {"a whole number may come as a double", Verb::kSet,
     R"({"params":[{"siid":2,"piid":3,"value":7.0}]})",
     R"({"code":0,"params":[{"siid":2,"piid":3,"code":0,"value":7}]})"},
    {"a read gives the value", Verb::kGet, R"({"params":[{"siid":1,"piid":3}]})",
     R"({"code":0,"params":[{"siid":1,"piid":3,"code":0,"value":"lamp-1"}]})"},
    {"an action without results", Verb::kAction, R"({"siid":2,"aiid":1,"in":[]})",
     R"({"code":0,"out":[]})"},
    {"an action may leave out its empty arguments", Verb::kAction, R"({"siid":2,"aiid":1})",
     R"({"code":0,"out":[]})"},
    {"an action with arguments it does not take", Verb::kAction, R"({"siid":2,"aiid":1,"in":[1]})",
     R"({"code":-704220025})"},
    {"an unknown action", Verb::kAction, R"({"siid":2,"aiid":7,"in":[]})",
     R"({"code":-704040005})"},
    {"an action of an unknown service", Verb::kAction, R"({"siid":7,"aiid":1,"in":[]})",
     R"({"code":-704040002})"},
    {"no JSON", Verb::kSet, "nonsense", R"({"code":-704220043})"},
    {"no parameters", Verb::kSet, R"({"params":[]})", R"({"code":-704220043})"},
    {"a parameter that is none", Verb::kGet, R"({"params":[3]})", R"({"code":-704220008})"},
    {"ids beyond any", Verb::kGet, R"({"params":[{"siid":-1,"piid":99999999999}]})",
     R"({"code":-704220008})"},
};

TEST_CASE("commands are answered with MIoT codes") {
  const auto kind = KindNamed("lamp");
  for (const Row& row : kRows) {
    INFO(row.name);
    DeviceSim lamp(*kind, "lamp-1", 1);
    CHECK(Answer(row.verb, row.command, &lamp) == row.answer);
  }
}

TEST_CASE("a report lists values by their ids") {
  const auto kind = KindNamed("lamp");
  DeviceSim lamp(*kind, "lamp-1", 1);
  lamp.Set(*kind->model.FindProperty("light.on"), true);
  lamp.Set(*kind->model.FindProperty("light.brightness"), 30);
  CHECK(PropertiesPayload(lamp, lamp.TakeCommanded(), 17, 1700000000000) ==
        R"({"params":[{"siid":2,"piid":1,"value":true},{"siid":2,"piid":3,"value":30}],)"
        R"("id":17,"ts":1700000000000})");
}

TEST_CASE("an event lists its arguments by their piids") {
  const auto kind = KindNamed("vacuum");
  const model::Event* report = kind->model.FindEvent("cleaning.report");
  CHECK(EventPayload({report, {json::Value(12.5), json::Value(2400)}}, 5) ==
        R"({"arguments":[{"piid":1,"value":12.5},{"piid":2,"value":2400}],"ts":5})");
}

TEST_CASE("a lamp obeys what of a delta fits its model") {
  const auto kind = KindNamed("lamp");
  DeviceSim lamp(*kind, "lamp-1", 1);
  CHECK(ObeyDelta(R"({"version":3,"state":{"light":{"brightness":12,"mode":77,"x":1}}})", &lamp) ==
        1);
  CHECK(lamp.Number("light.brightness") == 12);
  CHECK(ObeyDelta(R"({"state":{"desired":{"light":{"brightness":40}},)"
                  R"("reported":{"light":{"brightness":12}},)"
                  R"("delta":{"light":{"brightness":40}}},"version":4})",
                  &lamp) == 1);
  CHECK(lamp.Number("light.brightness") == 40);
  CHECK(ObeyDelta(R"({"state":{"reported":{"light":{"brightness":12}}},"version":4})", &lamp) == 0);
  CHECK(ObeyDelta("nonsense", &lamp) == 0);
  CHECK(lamp.Number("light.brightness") == 40);
}

TEST_CASE("the code of a refusal") {
  CHECK(RefusalCode(R"({"id":3,"code":-704220043,"message":"m","params":[]})") == -704220043);
  CHECK(RefusalCode("nonsense") == 0);
}

TEST_CASE("what a hub is told of a child") {
  const TopologyAnswer answer = ReadTopologyAnswer(R"({"did":"hub-1-2","code":409,"message":"m"})");
  CHECK(answer.device == "hub-1-2");
  CHECK(answer.code == 409);
  CHECK(ReadTopologyAnswer(R"({"code":200})").code == 0);
  CHECK(ReadTopologyAnswer("nonsense").code == 0);
}

}  // namespace
}  // namespace homeport::fleet
