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
                    R"("properties":[{"iid":1,"type":"urn:s:property:p","access":["read"],)" +
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
  constexpr const char* kInt64 = R"("format":"int64")";
  constexpr const char* kTenths = R"("format":"float","value-range":[-30,100,0.1])";
  constexpr const char* kMicro = R"("format":"float","value-range":[0,1,0.000001])";
  constexpr const char* kFine = R"("format":"float","value-range":[0,999999.99,0.01])";
  constexpr const char* kLong = R"("format":"float","value-range":[0,876000,0.1])";
  constexpr const char* kWhole = R"("format":"float","value-range":[0,100000,1])";
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
      ValueRow{"a double that says which whole number", kInt64, 1125899906842623.0, V::kOk},
      ValueRow{"a double that may have had a fraction", kInt64, 5000000000000000.5, V::kWrongType},
      ValueRow{"a double that stands for two", kInt64, 9007199254740993.0, V::kWrongType},
      ValueRow{"a negative one", kInt64, -9007199254740993.0, V::kWrongType},
      ValueRow{"a double far beyond", kInt64, 1e300, V::kWrongType},
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
      ValueRow{"the end of a fine grid", kFine, 999999.99, V::kOk},
      ValueRow{"a step beyond the end of a fine grid", kFine, 1000000, V::kOutOfRange},
      ValueRow{"between, where doubles could say better", kFine, 900000.0025, V::kOffStep},
      ValueRow{"as near as single precision comes", kFine, double{539944.13f}, V::kOk},
      ValueRow{"a quarter step beside, on a long grid", kLong, 857278.025, V::kOffStep},
      ValueRow{"a step that single precision can say", kWhole, 100000.1, V::kOutOfRange},
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

TEST_CASE("a get needs a readable property, a recall a readable or notifiable one") {
  struct Row {
    const char* name;
    uint32_t siid, piid;
    Code get, recall;
  };
  const Row row = GENERATE(Row{"readable", 2, 1, Code::kOk, Code::kOk},
                           Row{"notifiable only", 2, 10, Code::kNotReadable, Code::kOk},
                           Row{"writable only", 2, 11, Code::kNotReadable, Code::kNotReadable},
                           Row{"argument only", 2, 9, Code::kNotReadable, Code::kNotReadable},
                           Row{"no property", 2, 99, Code::kNoProperty, Code::kNoProperty},
                           Row{"no service", 9, 1, Code::kNoService, Code::kNoService});
  INFO(row.name);
  CHECK(ValidateGet(Lamp(), row.siid, row.piid).code == row.get);
  CHECK(ValidateRecall(Lamp(), row.siid, row.piid).code == row.recall);
}

TEST_CASE("a float in single precision becomes the decimal that it means") {
  struct Row {
    const char* name;
    const char* range;
    double value;
    const char* stored;
  };
  const Row row = GENERATE(
      Row{"tenths", "[-30,100,0.1]", double{25.3f}, "25.3"},
      Row{"negative", "[-30,100,0.1]", double{-29.9f}, "-29.9"},
      Row{"nothing", "[-30,100,0.1]", -0.0, "0.0"},
      Row{"exact already", "[-30,100,0.1]", 0.3, "0.3"},
      Row{"a sum of tenths", "[-30,100,0.1]", 0.1 + 0.2, "0.3"},
      Row{"a grid beside the whole numbers", "[-273.15,500.05,0.1]", double{-250.05f}, "-250.05"},
      Row{"a latitude", "[-180,180,0.000001]", double{116.397465f}, "116.397469"},
      Row{"the end", "[0,999999.99,0.01]", 999999.99, "999999.99"},
      Row{"whole steps", "[0,3.4e38,1]", 1e30, "1e+30"});
  INFO(row.name);
  const Model model = WithFormat(std::string(R"("format":"float","value-range":)") + row.range);
  const Property& property = model.properties()[0];
  REQUIRE(ValidateValue(property, row.value) == Verdict::kOk);
  CHECK(json::Print(Normalise(property, row.value)) == row.stored);
}

}  // namespace
}  // namespace homeport::model
