#include "services/registry/core/report.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/model/parse.h"

namespace homeport::registry {
namespace {

constexpr int kDepthMax = 4;

const model::Model& Lamp() {
  static const auto lamp = model::ParseModel(R"({"type":"urn:a:device:lamp:1","services":[
    {"iid":2,"type":"urn:a:service:light:1","properties":[
      {"iid":0,"type":"urn:a:property:alarm:1","format":"bool","access":["read"]},
      {"iid":1,"type":"urn:a:property:on:1","format":"bool","access":["read"]},
      {"iid":2,"type":"urn:a:property:level:1","format":"uint8","access":["read"],
       "value-range":[0,100,1]}]}]})");
  REQUIRE(lamp.ok());
  return *lamp;
}

Report Read(std::string_view text, const model::Model* model) {
  auto document = json::Parse(text);
  REQUIRE(document.ok());
  return ReadReport(std::move(document).value(), model, kDepthMax);
}

// The patch, then the codes of the refused parameters; "malformed" where it is no report.
std::string Outcome(std::string_view text, const model::Model* model) {
  const Report report = Read(text, model);
  if (report.malformed) return "malformed";
  std::string outcome = json::Print(json::Value(report.patch));
  for (const RefusedParam& param : report.refused) {
    outcome += fmt::format(" {}", static_cast<int32_t>(param.code));
  }
  return outcome;
}

struct Row {
  const char* name;
  const char* text;
  const char* outcome;
};

TEST_CASE("reports against a model") {
  for (const Row& row : {
           Row{"by number", R"({"params":[{"siid":2,"piid":1,"value":true}]})",
               R"({"light":{"on":true}})"},
           Row{"by name", R"({"params":[{"name":"light.level","value":7}]})",
               R"({"light":{"level":7}})"},
           Row{"the last value counts",
               R"({"params":[{"siid":2,"piid":2,"value":7},{"siid":2,"piid":2,"value":8}]})",
               R"({"light":{"level":8}})"},
           Row{"a whole double is an integer", R"({"params":[{"siid":2,"piid":2,"value":7.0}]})",
               R"({"light":{"level":7}})"},
           Row{"good and bad ones",
               R"({"params":[{"siid":2,"piid":2,"value":101},{"siid":2,"piid":1,"value":false}]})",
               R"({"light":{"on":false}} -704220043)"},
           Row{"no such service", R"({"params":[{"siid":9,"piid":1,"value":1}]})", "{} -704040002"},
           Row{"no such property", R"({"params":[{"siid":2,"piid":9,"value":1}]})",
               "{} -704040003"},
           Row{"no such name", R"({"params":[{"name":"light.color","value":1}]})", "{} -704040003"},
           Row{"no such service by name", R"({"params":[{"name":"fan.on","value":1}]})",
               "{} -704040002"},
           Row{"no name of two parts", R"({"params":[{"name":"light","value":1}]})",
               "{} -704220008"},
           Row{"iid 0 is a number", R"({"params":[{"siid":2,"piid":0,"value":true}]})",
               R"({"light":{"alarm":true}})"},
           Row{"no piid", R"({"params":[{"siid":2,"value":true}]})", "{} -704220008"},
           Row{"no siid", R"({"params":[{"piid":0,"value":true}]})", "{} -704220008"},
           Row{"a negative siid", R"({"params":[{"siid":-2,"piid":0,"value":true}]})",
               "{} -704220008"},
           Row{"a fraction as piid", R"({"params":[{"siid":2,"piid":0.5,"value":true}]})",
               "{} -704220008"},
           Row{"text as ids", R"({"params":[{"siid":"2","piid":"0","value":true}]})",
               "{} -704220008"},
           Row{"no value", R"({"params":[{"siid":2,"piid":1}]})", "{} -704220043"},
           Row{"null", R"({"params":[{"siid":2,"piid":1,"value":null}]})", "{} -704220043"},
           Row{"no object", R"({"params":[1]})", "{} -704220008"},
           Row{"huge ids", R"({"params":[{"siid":9007199254740993,"piid":1,"value":1},
                                         {"siid":18446744073709551615,"piid":1,"value":1},
                                         {"siid":2,"piid":4294967297,"value":true}]})",
               "{} -704040002 -704220008 -704040003"},
           Row{"nothing", R"({"params":[]})", "{}"},
           Row{"no params", "{}", "malformed"},
           Row{"params no list", R"({"params":{}})", "malformed"},
           Row{"no object at all", "[]", "malformed"},
       }) {
    INFO(row.name);
    CHECK(Outcome(row.text, &Lamp()) == row.outcome);
  }
}

TEST_CASE("reports without a model") {
  for (const Row& row : {
           Row{"by number", R"({"params":[{"siid":2,"piid":1,"value":[1,{"a":2}]}]})",
               R"({"s2":{"p1":[1,{"a":2}]}})"},
           Row{"by name", R"({"params":[{"name":"a.b.c","value":"x"}]})", R"({"a":{"b.c":"x"}})"},
           Row{"names without two parts",
               R"({"params":[{"name":"a","value":1},{"name":".a","value":1},
                             {"name":"a.","value":1},{"name":"","value":1}]})",
               "{} -704220008 -704220008 -704220008 -704220008"},
           Row{"zero is a number", R"({"params":[{"siid":0,"piid":0,"value":1}]})",
               R"({"s0":{"p0":1}})"},
           Row{"no numbers",
               R"({"params":[{"siid":1,"value":1},{"siid":-1,"piid":1,"value":1},
                             {"siid":1,"piid":"1","value":1},{"siid":1.5,"piid":1,"value":1}]})",
               "{} -704220008 -704220008 -704220008 -704220008"},
           Row{"a null in an array", R"({"params":[{"siid":2,"piid":1,"value":[null]}]})",
               "{} -704220043"},
           Row{"as deep as a shadow may be", R"({"params":[{"siid":2,"piid":1,"value":[[1]]}]})",
               R"({"s2":{"p1":[[1]]}})"},
           Row{"deeper", R"({"params":[{"siid":2,"piid":1,"value":[[[1]]]}]})", "{} -704220043"},
       }) {
    INFO(row.name);
    CHECK(Outcome(row.text, nullptr) == row.outcome);
  }
}

TEST_CASE("too many parameters are no report") {
  std::string text = R"({"params":[)";
  for (size_t i = 0; i <= kReportParamsMax; ++i) text += i == 0 ? "0" : ",0";
  CHECK(Outcome(text + "]}", &Lamp()) == "malformed");
}

TEST_CASE("ids are echoed, and count when they are integers from 0 on") {
  struct IdRow {
    const char* id;
    const char* echoed;
    std::optional<int64_t> number;
  };
  for (const IdRow& row :
       {IdRow{"7", "7", 7}, IdRow{"\"a\"", "\"a\"", std::nullopt}, IdRow{"-1", "-1", std::nullopt},
        IdRow{"1.5", "1.5", std::nullopt}, IdRow{"[1]", "null", std::nullopt},
        IdRow{"null", "null", std::nullopt}}) {
    INFO(row.id);
    const Report report = Read(fmt::format(R"({{"id":{},"params":[]}})", row.id), &Lamp());
    CHECK(json::Print(report.id) == row.echoed);
    CHECK(report.number() == row.number);
  }
}

TEST_CASE("what the device reads of a refusal") {
  CHECK(RefusedAnswer({}, model::Code::kWrongValue, "bad \"x\"", {}) ==
        R"({"code":-704220043,"message":"bad \"x\""})");
  CHECK(
      RefusedAnswer(json::Value(3), model::Code::kNoProperty, "m",
                    {{2, 9, "", model::Code::kNoProperty},
                     {2, std::nullopt, "", model::Code::kInvalidId},
                     {{}, {}, "a.b", model::Code::kWrongValue}}) ==
      R"({"id":3,"code":-704040003,"message":"m","params":[)"
      R"({"siid":2,"piid":9,"code":-704040003},{"siid":2,"code":-704220008},{"name":"a.b","code":-704220043}]})");
}

}  // namespace
}  // namespace homeport::registry
