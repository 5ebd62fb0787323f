#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "homeport/control/v1/control.pb.h"
#include "homeport/internal/v1/directory.pb.h"
#include "homeport/internal/v1/envelope.pb.h"
#include "libs/json/value.h"
#include "libs/model/codes.h"
#include "libs/model/device_code.h"
#include "libs/model/model.h"
#include "libs/rpc/status_convert.h"

namespace homeport::gateway {

// Between ControlService's messages and the JSON that devices and shadows speak. Pure.

[[nodiscard]] json::Value ToJson(const type::v1::Value& value);
// Arrays, objects and null become their JSON text.
[[nodiscard]] type::v1::Value ToProto(const json::Value& value);

// The property a reference names; nullptr when the model has none such.
[[nodiscard]] const model::Property* FindProperty(const model::Model& model,
                                                  const type::v1::PropertyRef& ref);
// Why it has none. REQUIRES: FindProperty found nothing.
[[nodiscard]] model::Code MissingCode(const model::Model& model, const type::v1::PropertyRef& ref);
[[nodiscard]] type::v1::PropertyRef ToRef(const model::Property& property);

// A command's payload, or the violations of the model that forbid it.
struct CommandPayload {
  std::string json;
  std::vector<rpc::FieldViolation> violations;
  model::Code first_code = model::Code::kOk;
  // "code": that of the first violation; "code[2]": that of the request's properties[2] or
  // arguments[2].
  rpc::ErrorMetadata codes;
  const model::Action* action = nullptr;  // of an action's payload; into the model
};
[[nodiscard]] CommandPayload SetPayload(const model::Model& model,
                                        const control::v1::SetPropertiesRequest& request);
[[nodiscard]] CommandPayload GetPayload(const model::Model& model,
                                        const control::v1::GetPropertiesRequest& request);
[[nodiscard]] CommandPayload ActionPayload(const model::Model& model,
                                           const control::v1::InvokeActionRequest& request);

// A device's reply: {"code", "params":[{siid,piid,code,value?}]} or {"code","out":[…]}, the results
// bare or as {"piid","value"}. Its codes are translated (model/device_code.h). Values come as the
// model has them; those it forbids do not, but their code. Error: DEVICE_REPLY_INVALID
// where the reply is not of that form.
struct DeviceReply {
  int32_t code = 0;
  std::vector<control::v1::PropertyValue> params;
  std::vector<type::v1::Value> out;  // in the order of the model
};
struct Asked {
  model::Verb verb;
  const model::Action* action = nullptr;  // of kAction
};
[[nodiscard]] absl::StatusOr<DeviceReply> ParseReply(std::string_view payload,
                                                     const model::Model& model, const Asked& asked);
// The worst of the overall code and those of the properties.
[[nodiscard]] control::v1::Outcome OutcomeOf(const DeviceReply& reply);

// The leaves of a reported state as property values; `model` may be null. With `metadata`, each has
// the time of its report. What was written past the model and does not fit it has its code, not its
// value.
[[nodiscard]] std::vector<control::v1::PropertyValue> ToProperties(std::string_view reported_json,
                                                                   std::string_view metadata_json,
                                                                   const model::Model* model);
[[nodiscard]] control::v1::WatchEvent ToEvent(const internal::v1::DeviceChange& change,
                                              std::string_view tenant, const model::Model* model);

}  // namespace homeport::gateway
