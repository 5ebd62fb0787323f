#include "libs/model/arguments.h"

#include <catch2/catch.hpp>

#include "libs/json/print.h"
#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

struct ArgumentRow {
  const char* name;
  const char* arguments;
  Code code;
};

TEST_CASE("action arguments by order or by piid") {
  const ArgumentRow row = GENERATE(
      ArgumentRow{"by order", "[3,10]", Code::kOk},
      ArgumentRow{"by piid", R"([{"piid":9,"value":10},{"piid":3,"value":3}])", Code::kOk},
      ArgumentRow{"none", "[]", Code::kWrongArgumentCount},
      ArgumentRow{"too few", "[3]", Code::kWrongArgumentCount},
      ArgumentRow{"too many", "[3,10,1]", Code::kWrongArgumentCount},
      ArgumentRow{"too few by piid", R"([{"piid":9,"value":10}])", Code::kWrongArgumentCount},
      ArgumentRow{"wrong order", "[10,3]", Code::kWrongArgument},
      ArgumentRow{"wrong type", R"([3,"10"])", Code::kWrongArgument},
      ArgumentRow{"the same piid twice", R"([{"piid":9,"value":1},{"piid":9,"value":1}])",
                  Code::kWrongArgument},
      ArgumentRow{"another piid", R"([{"piid":3,"value":3},{"piid":4,"value":1}])",
                  Code::kWrongArgument},
      ArgumentRow{"no value", R"([{"piid":3},{"piid":9,"value":1}])", Code::kWrongArgument},
      ArgumentRow{"mixed forms", R"([{"piid":3,"value":3},10])", Code::kWrongArgument});
  INFO(row.name);
  const Model lamp = Lamp();
  const json::Value in = J(row.arguments);
  CHECK(ValidateActionIn(lamp, *lamp.FindAction("light.dim-later"), *in.IfArray()).code ==
        row.code);
}

TEST_CASE("an action without arguments takes none") {
  const Model lamp = Lamp();
  CHECK(ValidateActionIn(lamp, *lamp.FindAction("light.toggle"), {}).ok());
  CHECK(ValidateActionIn(lamp, *lamp.FindAction("light.toggle"), {1}).code ==
        Code::kWrongArgumentCount);
}

TEST_CASE("action results") {
  const Model lamp = Lamp();
  const Action& dim = *lamp.FindAction("light.dim-later");
  CHECK(ValidateActionOut(lamp, dim, {20.5}).ok());
  CHECK(ValidateActionOut(lamp, dim, {}).code == Code::kWrongResultCount);
  CHECK(ValidateActionOut(lamp, dim, {"x"}).code == Code::kWrongResult);
}

TEST_CASE("an event has all its arguments, each once, with values that fit") {
  const ArgumentRow row = GENERATE(
      ArgumentRow{"by order", "[80.0,5]", Code::kOk},
      ArgumentRow{"by piid", R"([{"piid":9,"value":5},{"piid":4,"value":80}])", Code::kOk},
      ArgumentRow{"by name", R"([{"name":"delay","value":5},{"name":"temperature","value":80}])",
                  Code::kOk},
      ArgumentRow{"by path", R"([{"name":"light.delay","value":5},{"piid":4,"value":80}])",
                  Code::kOk},
      ArgumentRow{"none", "[]", Code::kWrongResultCount},
      ArgumentRow{"too few", "[80.0]", Code::kWrongResultCount},
      ArgumentRow{"too few by piid", R"([{"piid":4,"value":80}])", Code::kWrongResultCount},
      ArgumentRow{"too many", "[80.0,5,1]", Code::kWrongResultCount},
      ArgumentRow{"twice", R"([{"piid":4,"value":80},{"piid":4,"value":80}])",
                  Code::kWrongResultCount},
      ArgumentRow{"another property", R"([{"piid":1,"value":true},{"piid":4,"value":80}])",
                  Code::kWrongResultCount},
      ArgumentRow{"no such property", R"([{"piid":99,"value":1},{"piid":4,"value":80}])",
                  Code::kNoProperty},
      ArgumentRow{"no such name", R"([{"name":"x","value":1},{"piid":4,"value":80}])",
                  Code::kNoProperty},
      ArgumentRow{"a negative piid", R"([{"piid":-1,"value":1},{"piid":4,"value":80}])",
                  Code::kInvalidId},
      ArgumentRow{"no piid", R"([{"value":1},{"piid":4,"value":80}])", Code::kInvalidId},
      ArgumentRow{"a piid as text", R"([{"piid":"9","value":1},{"piid":4,"value":80}])",
                  Code::kInvalidId},
      ArgumentRow{"no value", R"([{"piid":4},{"piid":9,"value":5}])", Code::kWrongValue},
      ArgumentRow{"out of range", R"([{"piid":4,"value":101},{"piid":9,"value":5}])",
                  Code::kWrongValue},
      ArgumentRow{"out of range by order", "[101,5]", Code::kWrongValue},
      ArgumentRow{"wrong order", "[5.5,80.5]", Code::kWrongValue});
  INFO(row.name);
  const Model lamp = Lamp();
  const json::Value arguments = J(row.arguments);
  CHECK(ValidateEvent(lamp, *lamp.FindEvent("light.overheated"), *arguments.IfArray()).code ==
        row.code);
}

TEST_CASE("arguments are arranged in the order of the model, as they are stored") {
  const Model lamp = Lamp();
  const Action& dim = *lamp.FindAction("light.dim-later");
  for (const char* given :
       {"[3.0,10.0]", R"([{"piid":9,"value":10.0},{"piid":3,"value":3}])",
        R"([{"name":"delay","value":10},{"name":"light.brightness","value":3.0}])"}) {
    INFO(given);
    const json::Value in = J(given);
    REQUIRE(ValidateActionIn(lamp, dim, *in.IfArray()).ok());
    CHECK(json::Print(json::Value(ArrangeArguments(lamp, dim.siid, dim.in, *in.IfArray()))) ==
          "[3,10]");
  }
}

}  // namespace
}  // namespace homeport::model
