#include <optional>
#include <string>
#include <utility>

#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "libs/shadow/request.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/shadow_json.h"

// The shadow topics of AWS IoT (aws-iot.md 3.1) and the same requests of gRPC callers. Answers go
// out in the order delta, documents, accepted, which SDKs that drop old versions rely on.
namespace homeport::registry {
namespace {

int64_t Seconds(const ApplyContext& context) { return context.message.received_ms() / 1000; }

bool FromApi(const ApplyContext& context) { return context.message.correlation() != 0; }

void Reject(const ApplyContext& context, std::string_view verb, const shadow::Rejected& rejected,
            std::string_view client_token) {
  Refuse(context, rejected.code == 413 ? Refusal::kShadowTooLarge : Refusal::kShadowRejected,
         rejected.message);
  if (FromApi(context)) {
    internal::v1::ApiAnswer answer;
    answer.set_code(static_cast<uint32_t>(rejected.code));
    answer.set_message(rejected.message);
    return AnswerApi(context, std::move(answer));
  }
  const std::string topic =
      ShadowTopic(context.device.id, context.message.detail(), std::string(verb) + "/rejected");
  PublishToDevice(context, topic,
                  shadow::RejectedAnswer(rejected, {Seconds(context), client_token}));
}

void Accept(const ApplyContext& context, std::string_view verb, std::string_view payload) {
  PublishToDevice(
      context,
      ShadowTopic(context.device.id, context.message.detail(), std::string(verb) + "/accepted"),
      payload);
}

void AnswerWithDocument(const ApplyContext& context, const shadow::Document& document) {
  internal::v1::ApiAnswer answer;
  answer.set_code(200);
  answer.set_state_json(StateJson(document));
  answer.set_metadata_json(MetadataJson(document));
  answer.set_version(document.version);
  AnswerApi(context, std::move(answer));
}

void TellReportedChange(const ApplyContext& context, const json::Object& changed) {
  if (!context.message.detail().empty() || changed.empty()) return;
  internal::v1::DeviceChange change;
  change.set_kind(internal::v1::DeviceChange::KIND_CHANGE);
  change.set_time_ms(context.message.received_ms());
  json::Print(changed, *change.mutable_reported());
  TellWatchers(context, std::move(change));
}

void PublishUpdate(const ApplyContext& context, const shadow::UpdateRequest& request,
                   const shadow::Document& document, const shadow::UpdateResult& result) {
  const std::string& name = context.message.detail();
  const shadow::AnswerContext answer{Seconds(context), request.client_token};
  if (!context.device.sessions.empty()) {
    if (result.has_delta) {
      PublishToDevice(context, ShadowTopic(context.device.id, name, "update/delta"),
                      shadow::UpdateDelta(document, answer));
    }
    PublishToDevice(context, ShadowTopic(context.device.id, name, "update/documents"),
                    shadow::UpdateDocuments(document, result.previous, answer));
  }
  if (FromApi(context)) return AnswerWithDocument(context, document);
  Accept(context, "update", shadow::UpdateAccepted(request, result.version, answer));
}

ShadowState& Shadow(const ApplyContext& context) {
  return ShadowOf(context.device, context.message.detail());
}

shadow::Rejected Missing(const ApplyContext& context) {
  const std::string& name = context.message.detail();
  return shadow::NoShadow(name.empty() ? context.device.id : name);
}

void MarkDirty(const ApplyContext& context, ShadowState& shadow) {
  shadow.dirty = true;
  ++context.effects.tally.versions;
  context.effects.Changed(context.device);
}

}  // namespace

void ApplyShadowGet(const ApplyContext& context) {
  const shadow::ParsedSimple parsed =
      shadow::ParseSimple(context.message.payload(), context.limits.shadow);
  if (parsed.rejected) return Reject(context, "get", *parsed.rejected, parsed.client_token);
  const shadow::Document& document = Shadow(context).document;
  if (!document.exists()) return Reject(context, "get", Missing(context), parsed.client_token);
  if (FromApi(context)) return AnswerWithDocument(context, document);
  Accept(context, "get", shadow::GetAccepted(document, {Seconds(context), parsed.client_token}));
}

void ApplyShadowUpdate(const ApplyContext& context) {
  const shadow::ParsedUpdate parsed =
      shadow::ParseUpdate(context.message.payload(), context.limits.shadow);
  if (parsed.rejected) {
    return Reject(context, "update", *parsed.rejected, parsed.request.client_token);
  }
  ShadowState& shadow = Shadow(context);
  shadow::ApplyOptions options;
  options.want_previous = !context.device.sessions.empty();
  options.want_changes = IsWatched(context);
  const shadow::UpdateResult result = shadow::ApplyUpdate(
      shadow.document, parsed.request, Seconds(context), context.limits.shadow, options);
  if (!result.accepted()) {
    return Reject(context, "update", *result.rejected, parsed.request.client_token);
  }
  MarkDirty(context, shadow);
  PublishUpdate(context, parsed.request, shadow.document, result);
  TellReportedChange(context, result.changed_reported);
}

void ApplyShadowDelete(const ApplyContext& context) {
  const shadow::ParsedSimple parsed =
      shadow::ParseSimple(context.message.payload(), context.limits.shadow);
  if (parsed.rejected) return Reject(context, "delete", *parsed.rejected, parsed.client_token);
  ShadowState& shadow = Shadow(context);
  json::Object removed;
  for (const json::Member& member : shadow.document.reported.state) {
    removed.Append(member.key, nullptr);
  }
  const shadow::DeleteResult result = shadow::ApplyDelete(shadow.document);
  if (!result.found) return Reject(context, "delete", Missing(context), parsed.client_token);
  MarkDirty(context, shadow);
  if (FromApi(context)) {
    internal::v1::ApiAnswer answer;
    answer.set_code(200);
    answer.set_version(result.version);
    AnswerApi(context, std::move(answer));
  } else {
    Accept(context, "delete",
           shadow::DeleteAccepted(result.version, {Seconds(context), parsed.client_token}));
  }
  TellReportedChange(context, removed);
}

}  // namespace homeport::registry
