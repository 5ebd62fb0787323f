#include "services/gateway/control/control_service.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/validate.h"
#include "libs/rpc/call_deadline.h"
#include "libs/rpc/request_id.h"
#include "libs/rpc/resource_name.h"
#include "services/gateway/control/control_convert.h"

namespace homeport::gateway {
namespace {

using control::v1::PropertyValue;
using control::v1::WatchEvent;

constexpr int kPropertiesMax = 100;
constexpr int kNamesMax = 100;
constexpr int64_t kTimeoutMsDefault = 5'000;
constexpr int64_t kTimeoutMsMax = 60'000;

int64_t TimeoutMs(const grpc::CallbackServerContext& context,
                  const google::protobuf::Duration& wish) {
  return rpc::TimeoutMs(context, wish, {kTimeoutMsDefault, kTimeoutMsMax});
}

grpc::Status Violations(const CommandPayload& payload) {
  return rpc::MakeError(grpc::StatusCode::INVALID_ARGUMENT, "MODEL_VIOLATION",
                        "refused by the product model: " + payload.violations.front().description,
                        payload.codes, payload.violations);
}

absl::Status WithCode(const absl::Status& status, model::Code code) {
  return WithDetail(status, "code", std::to_string(static_cast<int32_t>(code)));
}

absl::Status ToStatus(CommandEnd end, const std::string& device) {
  using absl::StatusCode;
  switch (end) {
    case CommandEnd::kOffline:
      return WithCode(ErrorWithReason(StatusCode::kFailedPrecondition, "DEVICE_OFFLINE",
                                      fmt::format("device {} is offline", device)),
                      model::Code::kDeviceOffline);
    case CommandEnd::kNotSubscribed:
      return ErrorWithReason(StatusCode::kFailedPrecondition, "DEVICE_NOT_LISTENING",
                             fmt::format("device {} has not subscribed to its commands", device));
    case CommandEnd::kTooMany:
      return ErrorWithReason(StatusCode::kResourceExhausted, "TOO_MANY_COMMANDS",
                             "too many commands are under way");
    case CommandEnd::kUnavailable:
      return ErrorWithReason(StatusCode::kUnavailable, "REDIS_UNAVAILABLE",
                             "Redis does not answer; try again");
    case CommandEnd::kOtherRequest:
      return ErrorWithReason(StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
                             "request_id: another request had it");
    case CommandEnd::kStopping:
      return ErrorWithReason(StatusCode::kUnavailable, "GATEWAY_DRAINING",
                             "the gateway is stopping; try another");
    default:
      return WithCode(
          ErrorWithReason(StatusCode::kDeadlineExceeded, "DEVICE_TIMED_OUT",
                          fmt::format("device {} has not answered; it may still act", device)),
          model::Code::kDeviceTimeout);
  }
}

std::string_view OutcomeWord(const CommandResult& result) {
  switch (result.end) {
    case CommandEnd::kReplied:
      return "replied";
    case CommandEnd::kOffline:
      return "offline";
    case CommandEnd::kNotSubscribed:
      return "not_subscribed";
    case CommandEnd::kTooMany:
      return "too_many";
    case CommandEnd::kUnavailable:
      return "unavailable";
    case CommandEnd::kStopping:
      return "stopping";
    case CommandEnd::kOtherRequest:
      return "request_id_reused";
    default:
      return "timed_out";
  }
}

// A failure to reach the registry gets its reason; what the registry itself said has one.
absl::Status Named(absl::Status status) {
  const bool is_away = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!is_away) return status;
  return WithReason(absl::UnavailableError(status.message()), "REGISTRY_UNAVAILABLE");
}

// Of the values that are known, those asked for.
absl::StatusOr<std::vector<PropertyValue>> Recall(const std::vector<PropertyValue>& values,
                                                  const std::vector<type::v1::PropertyRef>& wanted,
                                                  const model::Model* model) {
  std::vector<PropertyValue> recalled;
  for (const type::v1::PropertyRef& ref : wanted) {
    const model::Property* known = model == nullptr ? nullptr : FindProperty(*model, ref);
    const std::string name = known == nullptr ? ref.name() : std::string(known->path);
    const auto found = std::find_if(values.begin(), values.end(), [&](const PropertyValue& value) {
      return value.property().name() == name;
    });
    if (known != nullptr) {
      const model::Code code = model::ValidateRecall(*model, known->siid, known->piid).code;
      if (code != model::Code::kOk) {
        return WithCode(ErrorWithReason(absl::StatusCode::kInvalidArgument, "MODEL_VIOLATION",
                                        fmt::format("{}: {}", known->path, model::ToText(code))),
                        code);
      }
    }
    if (found != values.end()) {
      recalled.push_back(*found);
    } else if (known == nullptr) {
      const absl::Status unknown = ErrorWithReason(absl::StatusCode::kNotFound, "PROPERTY_UNKNOWN",
                                                   "no such property: " + ref.ShortDebugString());
      return model == nullptr ? unknown : WithCode(unknown, MissingCode(*model, ref));
    }
  }
  return recalled;
}

grpc::Status NoModel(const std::string& device) {
  return rpc::MakeError(
      grpc::StatusCode::FAILED_PRECONDITION, "PRODUCT_WITHOUT_MODEL",
      fmt::format("the product of device {} has no model; use its shadow", device));
}

}  // namespace

void ControlService::Refuse(grpc::ServerUnaryReactor* call, std::string_view method,
                            const grpc::Status& status) {
  probe_.Refused(method, status);
  call->Finish(status);
}

void ControlService::Refuse(WatchStream* stream, const grpc::Status& status) {
  probe_.Refused("Watch", status);
  stream->Fail(status);
}

Shard& ControlService::ShardOf(const std::string& device) {
  return *shards_[Hash64(device) % shards_.size()];
}

void ControlService::FindTarget(const grpc::CallbackServerContext& context, const std::string& name,
                                OnTarget done) {
  const absl::StatusOr<auth::Claims> claims = auth_.Authorize(context, {"user", "operator"});
  if (!claims.ok()) return done(claims.status());
  absl::StatusOr<rpc::DeviceName> parsed = rpc::ParseDeviceName(name, claims->tenant);
  if (!parsed.ok()) return done(parsed.status());
  if (absl::Status mine = rpc::CheckTenant(*claims, parsed->tenant.str()); !mine.ok()) {
    return done(mine);
  }
  Target target{claims->tenant, parsed->device.str()};
  auto on_device = [this, name, target,
                    done = std::move(done)](absl::StatusOr<Directory::Device> device) mutable {
    if (absl::IsNotFound(device.status()) ||
        (device.ok() && (*device)->tenant() != target.tenant)) {
      return done(rpc::PermissionDenied(name));
    }
    if (!device.ok()) return done(Named(device.status()));
    target.hub = (*device)->hub();
    target.model_version = (*device)->model_version();
    FindProduct((*device)->product(), std::move(target), std::move(done));
  };
  if (auto cached = directory_.CachedDevice(target.device); cached && cached->ok()) {
    return on_device(*std::move(cached));
  }
  newcomers_.Fetch(target.device, rpc::MsLeft(context), std::move(on_device));
}

void ControlService::FindProduct(const std::string& product, Target target, OnTarget done) {
  auto on_product = [target = std::move(target),
                     done = std::move(done)](absl::StatusOr<Directory::Product> found) mutable {
    if (!found.ok()) return done(Named(found.status()));
    target.product = *std::move(found);
    target.model = SharedModel(target.product, target.product->ModelOf(target.model_version));
    done(std::move(target));
  };
  if (auto cached = directory_.CachedProduct(product)) return on_product(*cached);
  directory_.FetchProduct(product, std::move(on_product));
}

void ControlService::SendCommand(const Target& target, Command command, OnReply done) {
  Shard& shard = ShardOf(target.device);
  CommandRequest request{target.device, target.hub, std::string(command.verb),
                         std::move(command.json), command.timeout_ms};
  auto on_end = [&shard, device = target.device, model = target.model, asked = command.asked,
                 done = std::move(done)](CommandResult result) mutable {
    shard.probe().CommandEnded(OutcomeWord(result));
    if (result.end == CommandEnd::kReplied) return done(ParseReply(result.payload, *model, asked));
    log::Refusal("command_failed", {{"device", device}, {"outcome", OutcomeWord(result)}});
    done(ToStatus(result.end, device));
  };
  shard.Post([&shard, request_id = std::string(command.request_id), request = std::move(request),
              on_end = std::move(on_end)]() mutable {
    if (request_id.empty()) {
      return shard.commands().Start(std::move(request), std::move(on_end));
    }
    shard.commands_once().Start(request_id, std::move(request), std::move(on_end));
  });
}

grpc::ServerUnaryReactor* ControlService::SetProperties(
    grpc::CallbackServerContext* context, const control::v1::SetPropertiesRequest* request,
    control::v1::SetPropertiesResponse* response) {
  grpc::ServerUnaryReactor* call = context->DefaultReactor();
  FindTarget(*context, request->name(), [=, this](absl::StatusOr<Target> target) {
    if (!target.ok()) return Refuse(call, "SetProperties", rpc::ToGrpc(target.status()));
    if (request->properties().empty() || request->properties_size() > kPropertiesMax) {
      return Refuse(call, "SetProperties",
                    rpc::ToGrpc(FieldInvalid("properties", "1 to 100 properties")));
    }
    if (target->model == nullptr) return Refuse(call, "SetProperties", NoModel(target->device));
    const CommandPayload payload = SetPayload(*target->model, *request);
    if (!payload.violations.empty()) return Refuse(call, "SetProperties", Violations(payload));
    Command command{
        "set", payload.json, {model::Verb::kSet}, TimeoutMs(*context, request->timeout())};
    SendCommand(*target, std::move(command), [=, this](absl::StatusOr<DeviceReply> reply) {
      if (!reply.ok()) return Refuse(call, "SetProperties", rpc::ToGrpc(reply.status()));
      response->set_outcome(OutcomeOf(*reply));
      response->set_code(reply->code);
      response->mutable_results()->Assign(reply->params.begin(), reply->params.end());
      call->Finish(grpc::Status::OK);
    });
  });
  return call;
}

grpc::ServerUnaryReactor* ControlService::InvokeAction(
    grpc::CallbackServerContext* context, const control::v1::InvokeActionRequest* request,
    control::v1::InvokeActionResponse* response) {
  grpc::ServerUnaryReactor* call = context->DefaultReactor();
  FindTarget(*context, request->name(), [=, this](absl::StatusOr<Target> target) {
    if (!target.ok()) return Refuse(call, "InvokeAction", rpc::ToGrpc(target.status()));
    if (!request->request_id().empty() && !rpc::IsUuid(request->request_id())) {
      return Refuse(call, "InvokeAction",
                    rpc::ToGrpc(FieldInvalid("request_id", "must be a UUID")));
    }
    if (target->model == nullptr) return Refuse(call, "InvokeAction", NoModel(target->device));
    const CommandPayload payload = ActionPayload(*target->model, *request);
    if (!payload.violations.empty()) return Refuse(call, "InvokeAction", Violations(payload));
    Command command{"action",
                    payload.json,
                    {model::Verb::kAction, payload.action},
                    TimeoutMs(*context, request->timeout()),
                    request->request_id()};
    SendCommand(*target, std::move(command), [=, this](absl::StatusOr<DeviceReply> reply) {
      if (!reply.ok()) return Refuse(call, "InvokeAction", rpc::ToGrpc(reply.status()));
      response->set_outcome(OutcomeOf(*reply));
      response->set_code(reply->code);
      response->mutable_results()->Assign(reply->out.begin(), reply->out.end());
      call->Finish(grpc::Status::OK);
    });
  });
  return call;
}

grpc::ServerUnaryReactor* ControlService::GetProperties(
    grpc::CallbackServerContext* context, const control::v1::GetPropertiesRequest* request,
    control::v1::GetPropertiesResponse* response) {
  grpc::ServerUnaryReactor* call = context->DefaultReactor();
  FindTarget(*context, request->name(), [=, this](absl::StatusOr<Target> target) {
    if (!target.ok()) return Refuse(call, "GetProperties", rpc::ToGrpc(target.status()));
    if (request->properties_size() > kPropertiesMax) {
      return Refuse(call, "GetProperties",
                    rpc::ToGrpc(FieldInvalid("properties", "at most 100 properties")));
    }
    if (request->source() == control::v1::GetPropertiesRequest::SOURCE_DEVICE) {
      return GetFromDevice(call, *context, request, response, *std::move(target));
    }
    GetFromShadow(call, request, response, *std::move(target));
  });
  return call;
}

void ControlService::GetFromShadow(grpc::ServerUnaryReactor* call,
                                   const control::v1::GetPropertiesRequest* request,
                                   control::v1::GetPropertiesResponse* response, Target target) {
  directory_.FetchState(
      target.device, [=, this, target = target](absl::StatusOr<internal::v1::DeviceState> state) {
        if (!state.ok()) return Refuse(call, "GetProperties", rpc::ToGrpc(Named(state.status())));
        const model::Model* model = target.product->ModelOf(state->model_version());
        response->set_online(state->online());
        response->set_stale(state->stale());
        if (state->last_seen_ms() > 0) {
          *response->mutable_last_seen_time() =
              google::protobuf::util::TimeUtil::MillisecondsToTimestamp(state->last_seen_ms());
        }
        response->set_shadow_version(state->version());
        const auto values =
            ToProperties(state->reported_json(), state->reported_metadata_json(), model);
        if (request->properties().empty()) {
          response->mutable_properties()->Assign(values.begin(), values.end());
        }
        const std::vector<type::v1::PropertyRef> wanted(request->properties().begin(),
                                                        request->properties().end());
        const auto recalled = Recall(values, wanted, model);
        if (!recalled.ok()) return Refuse(call, "GetProperties", rpc::ToGrpc(recalled.status()));
        for (const PropertyValue& value : *recalled) *response->add_properties() = value;
        call->Finish(grpc::Status::OK);
      });
}

void ControlService::GetFromDevice(grpc::ServerUnaryReactor* call,
                                   const grpc::CallbackServerContext& context,
                                   const control::v1::GetPropertiesRequest* request,
                                   control::v1::GetPropertiesResponse* response, Target target) {
  if (target.model == nullptr) return Refuse(call, "GetProperties", NoModel(target.device));
  const CommandPayload payload = GetPayload(*target.model, *request);
  if (!payload.violations.empty()) return Refuse(call, "GetProperties", Violations(payload));
  Command command{"get", payload.json, {model::Verb::kGet}, TimeoutMs(context, request->timeout())};
  SendCommand(target, std::move(command), [=, this](absl::StatusOr<DeviceReply> reply) {
    if (!reply.ok()) return Refuse(call, "GetProperties", rpc::ToGrpc(reply.status()));
    response->set_online(true);
    response->mutable_properties()->Assign(reply->params.begin(), reply->params.end());
    call->Finish(grpc::Status::OK);
  });
}

grpc::ServerWriteReactor<WatchEvent>* ControlService::Watch(
    grpc::CallbackServerContext* context, const control::v1::WatchRequest* request) {
  const absl::StatusOr<auth::Claims> claims = auth_.Authorize(*context, {"user", "operator"});
  WatchStream* stream = WatchStream::Make(directory_, claims.ok() ? claims->tenant : "");
  if (!claims.ok()) {
    Refuse(stream, rpc::ToGrpc(claims.status()));
    return stream;
  }
  if (request->names().empty() || request->names_size() > kNamesMax) {
    Refuse(stream, rpc::ToGrpc(FieldInvalid("names", "1 to 100 device names")));
    return stream;
  }
  // All names must resolve before the first event.
  struct Join {
    absl::Mutex mutex;
    int left = 0;
    absl::Status status;
    std::vector<std::string> devices;
  };
  auto join = std::make_shared<Join>();  // shared by the callbacks of all names
  join->left = request->names_size();
  for (const std::string& name : request->names()) {
    FindTarget(*context, name, [this, join, stream](absl::StatusOr<Target> target) {
      bool last = false;
      {
        absl::MutexLock lock(&join->mutex);
        if (target.ok()) {
          join->devices.push_back(target->device);
        } else {
          join->status.Update(target.status());
        }
        last = --join->left == 0;
      }
      if (!last) return;
      if (!join->status.ok()) return Refuse(stream, rpc::ToGrpc(join->status));
      StartWatch(stream, std::move(join->devices));
    });
  }
  return stream;
}

void ControlService::StartWatch(WatchStream* stream, std::vector<std::string> devices) {
  const std::shared_ptr<WatchQueue> queue = stream->queue();
  bool is_full = false;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(watches_, [](const std::weak_ptr<WatchQueue>& watch) { return watch.expired(); });
    is_full = watches_.size() >= config_.watch_calls_max;
    if (!is_full) watches_.push_back(queue);
  }
  if (is_full) {
    shards_.front()->probe().Refuse("watch_calls_max");
    return Refuse(stream, rpc::MakeError(grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES",
                                         "this gateway serves as many Watch calls as it may; try "
                                         "another"));
  }
  for (const std::string& device : devices) {
    Shard& shard = ShardOf(device);
    shard.Post([&shard, device, queue] { shard.watches().Add(device, queue); });
  }
  stream->Ready([this, devices](const std::shared_ptr<WatchQueue>& over) {
    for (const std::string& device : devices) {
      Shard& shard = ShardOf(device);
      shard.Post([&shard, device, over] { shard.watches().Remove(device, over.get()); });
    }
  });
}

void ControlService::Heartbeat() {
  std::vector<std::shared_ptr<WatchQueue>> open;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::weak_ptr<WatchQueue>& watch : watches_) {
      if (std::shared_ptr<WatchQueue> queue = watch.lock()) open.push_back(std::move(queue));
    }
  }
  for (const std::shared_ptr<WatchQueue>& queue : open) {
    WatchEvent beat;
    beat.set_kind(WatchEvent::KIND_HEARTBEAT);
    queue->Push(std::move(beat));
  }
}

}  // namespace homeport::gateway
