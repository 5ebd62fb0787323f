#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/json/value.h"
#include "libs/model/codes.h"
#include "libs/model/model.h"

namespace homeport::registry {

// A typed property report (README.md), checked against the product model:
//   {"params":[{"siid":2,"piid":1,"value":true} | {"name":"light.on","value":true}, …],
//    "ts"?:ms, "id"?:any, "model"?:urn}
// `model` names the version of the product's model that the device runs, from this report on: the
// type of its instance. With it, params may be missing. "" takes it back.
struct RefusedParam {
  std::optional<int64_t> siid;  // as given; null: no whole number, or not there
  std::optional<int64_t> piid;
  std::string name;  // where the report named the property instead
  model::Code code = model::Code::kOk;
};

struct Report {
  bool malformed = false;      // no report at all: everything below but `id` is empty
  std::string_view complaint;  // what is wrong with a malformed one
  json::Object patch;          // for shadow::ApplyReported; empty when no parameter was good
  std::vector<RefusedParam> refused;
  std::optional<int64_t> ts;                            // when, by the device's clock; Unix ms
  json::Value id;                                       // echoed; null where there is none
  [[nodiscard]] std::optional<int64_t> number() const;  // the id, where it counts: an integer >= 0
};

inline constexpr size_t kReportParamsMax = 256;

// The `model` of a report; null where there is none.
[[nodiscard]] const std::string* NamedModel(const json::Value& document);

// Without a model every parameter is good that names a property ("<service>.<property>", else
// s<siid>.p<piid>) and has a value fit for a shadow of `depth_max` levels.
// Pure. `document` is consumed.
[[nodiscard]] Report ReadReport(json::Value document, const model::Model* model, int depth_max);

// {"id"?,"code":…,"message":…,"params"?:[{"siid","piid","code"}]}: what the device reads.
[[nodiscard]] std::string RefusedAnswer(const json::Value& id, model::Code code,
                                        std::string_view message,
                                        const std::vector<RefusedParam>& params);

}  // namespace homeport::registry
