#include "libs/model/validate.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

#include "libs/json/print.h"
#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

Model WithFormat(const std::string& fields) {
  return ParseModel(R"({"type":"urn:s:device:d","services":[{"iid":2,"type":"urn:s:service:s",)"
                    R"("properties":[{"iid":1,"type":"urn:s:property:p",)" +
                    fields + "}]}]}")
      .value();
}

struct ValueRow {
  const char* name;
  const char* fields;
  json::Value value;
  Verdict verdict;
};

TEST_CASE("values against a property") {
  constexpr const char* kStep = R"("format":"uint8","value-range":[1,99,2])";
  constexpr const char* kWide =
      R"("format":"int64","value-range":[-9223372036854775808,9223372036854775807,5])";
  constexpr const char* kExact =
      R"("format":"int64","value-range":[9007199254740993,9007199254740995,2])";
  constexpr const char* kTenths = R"("format":"float","value-range":[-30,100,0.1])";
  constexpr const char* kMicro = R"("format":"float","value-range":[0,1,0.000001])";
  constexpr const char* kList = R"("format":"int8","value-list":[{"value":-1},{"value":7}])";
  using V = Verdict;
  const ValueRow row = GENERATE_COPY(
      ValueRow{"bool true", R"("format":"bool")", true, V::kOk},
      ValueRow{"bool is no number", R"("format":"bool")", 1, V::kWrongType},
      ValueRow{"bool is no text", R"("format":"bool")", "true", V::kWrongType},
      ValueRow{"bool is not null", R"("format":"bool")", nullptr, V::kWrongType},
      ValueRow{"text", R"("format":"string")", "x", V::kOk},
      ValueRow{"text is no number", R"("format":"string")", 1, V::kWrongType},
      ValueRow{"integer is no bool", R"("format":"uint8")", true, V::kWrongType},
      ValueRow{"integer as whole double", R"("format":"uint8")", 5.0, V::kOk},
      ValueRow{"integer as fraction", R"("format":"uint8")", 5.5, V::kWrongType},
      ValueRow{"integer as text", R"("format":"uint8")", "5", V::kWrongType},
      ValueRow{"uint8 top", R"("format":"uint8")", 255, V::kOk},
      ValueRow{"uint8 above", R"("format":"uint8")", 256, V::kOutOfRange},
      ValueRow{"uint8 below", R"("format":"uint8")", -1, V::kOutOfRange},
      ValueRow{"int8 bottom", R"("format":"int8")", -128, V::kOk},
      ValueRow{"uint32 top", R"("format":"uint32")", UINT32_MAX, V::kOk},
      ValueRow{"uint32 above", R"("format":"uint32")", int64_t{UINT32_MAX} + 1, V::kOutOfRange},
      ValueRow{"int64 beyond", R"("format":"int64")", UINT64_MAX, V::kOutOfRange},
      ValueRow{"in step", kStep, 3, V::kOk}, ValueRow{"off step", kStep, 4, V::kOffStep},
      ValueRow{"range end", kStep, 99, V::kOk}, ValueRow{"above", kStep, 101, V::kOutOfRange},
      ValueRow{"below", kStep, 0, V::kOutOfRange},
      ValueRow{"widest range, bottom", kWide, INT64_MIN, V::kOk},
      ValueRow{"widest range, in step", kWide, INT64_MIN + 5, V::kOk},
      ValueRow{"widest range, off step", kWide, INT64_MIN + 6, V::kOffStep},
      ValueRow{"widest range, top", kWide, INT64_MAX, V::kOk},
      ValueRow{"beyond double's precision", kExact, 9007199254740993, V::kOk},
      ValueRow{"one beside", kExact, 9007199254740994, V::kOffStep},
      ValueRow{"one below", kExact, 9007199254740992, V::kOutOfRange},
      ValueRow{"float", kTenths, 25.3, V::kOk}, ValueRow{"float as integer", kTenths, 25, V::kOk},
      ValueRow{"float from single precision", kTenths, double{25.3f}, V::kOk},
      ValueRow{"negative single precision", kTenths, double{-29.9f}, V::kOk},
      ValueRow{"float off step", kTenths, 25.35, V::kOffStep},
      ValueRow{"float end", kTenths, 100.0, V::kOk},
      ValueRow{"float above", kTenths, 100.1, V::kOutOfRange},
      ValueRow{"float below", kTenths, -30.1, V::kOutOfRange},
      ValueRow{"float as text", kTenths, "25.3", V::kWrongType},
      ValueRow{"micro step", kMicro, 0.000003, V::kOk},
      ValueRow{"half a micro step", kMicro, 0.0000035, V::kOffStep},
      ValueRow{"listed", kList, 7, V::kOk}, ValueRow{"listed negative", kList, -1, V::kOk},
      ValueRow{"listed as whole double", kList, 7.0, V::kOk},
      ValueRow{"not listed", kList, 0, V::kNotListed},
      ValueRow{"listed float", R"("format":"float","value-list":[{"value":2}])", 2.0, V::kOk});
  INFO(row.name);
  const Model model = WithFormat(row.fields);
  CHECK(ToText(ValidateValue(model.properties()[0], row.value)) == ToText(row.verdict));
}

TEST_CASE("normalised values have the format's own type") {
  const Model lamp = Lamp();
  CHECK(json::Print(Normalise(*lamp.FindProperty(2, 3), 5.0)) == "5");
  CHECK(json::Print(Normalise(*lamp.FindProperty(2, 4), 25)) == "25.0");
  CHECK(json::Print(Normalise(*lamp.FindProperty(2, 1), true)) == "true");
}

struct CodeRow {
  const char* name;
  uint32_t siid, piid;
  json::Value value;
  Code code;
};

TEST_CASE("a set needs a writable property and a value that fits") {
  const CodeRow row = GENERATE(CodeRow{"right", 2, 1, true, Code::kOk},
                               CodeRow{"write only", 2, 11, "x", Code::kOk},
                               CodeRow{"no service", 5, 1, true, Code::kNoService},
                               CodeRow{"no property", 2, 99, true, Code::kNoProperty},
                               CodeRow{"not writable", 2, 4, 20.0, Code::kNotWritable},
                               CodeRow{"argument only", 2, 9, 1, Code::kNotWritable},
                               CodeRow{"wrong type", 2, 1, 1, Code::kWrongValue},
                               CodeRow{"off step", 2, 3, 2, Code::kWrongValue});
  INFO(row.name);
  CHECK(ValidateSet(Lamp(), row.siid, row.piid, row.value).code == row.code);
}

TEST_CASE("a report needs a property and a value that fits, whatever the access") {
  const CodeRow row = GENERATE(CodeRow{"readable", 2, 4, 20.0, Code::kOk},
                               CodeRow{"write only", 2, 11, "x", Code::kOk},
                               CodeRow{"argument only", 2, 9, 1, Code::kOk},
                               CodeRow{"no service", 5, 1, true, Code::kNoService},
                               CodeRow{"no property", 2, 99, true, Code::kNoProperty},
                               CodeRow{"out of range", 2, 4, 101.0, Code::kWrongValue});
  INFO(row.name);
  CHECK(ValidateReport(Lamp(), row.siid, row.piid, row.value).code == row.code);
}

TEST_CASE("a get needs a readable or notifiable property") {
  const Model lamp = Lamp();
  CHECK(ValidateGet(lamp, 2, 1).ok());
  CHECK(ValidateGet(lamp, 2, 10).ok());
  CHECK(ValidateGet(lamp, 2, 11).code == Code::kNotReadable);
  CHECK(ValidateGet(lamp, 2, 9).code == Code::kNotReadable);
  CHECK(ValidateGet(lamp, 2, 99).code == Code::kNoProperty);
  CHECK(ValidateGet(lamp, 9, 1).code == Code::kNoService);
}

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

TEST_CASE("event arguments may be partial when named") {
  const Model lamp = Lamp();
  const Event& event = *lamp.FindEvent("light.overheated");
  const json::Value one = J(R"([{"piid":4,"value":80}])");
  CHECK(ValidateEvent(lamp, event, *one.IfArray()).ok());
  CHECK(ValidateEvent(lamp, event, {}).ok());
  CHECK(ValidateEvent(lamp, event, {80.0, 5}).ok());
  CHECK(ValidateEvent(lamp, event, {80.0}).code == Code::kWrongResultCount);
  CHECK(ValidateEvent(lamp, event, *one.IfArray(), {.partial = false}).code ==
        Code::kWrongResultCount);
  CHECK(ValidateEvent(lamp, event, *J(R"([{"piid":1,"value":true}])").IfArray()).code ==
        Code::kWrongArgument);
}

}  // namespace
}  // namespace homeport::model
