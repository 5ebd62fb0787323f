#include <optional>
#include <string>
#include <utility>

#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "libs/shadow/delta.h"
#include "libs/shadow/request.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/property_history.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/shadow_json.h"
#include "services/registry/core/shadow_loop.h"

// The shadow topics of AWS IoT and the same requests of gRPC callers. Answers go
// out in the order delta, documents, accepted, which SDKs that drop old versions rely on.
namespace homeport::registry {
namespace {

std::string_view VerbOf(internal::v1::UplinkMessage::Kind kind) {
  if (kind == internal::v1::UplinkMessage::KIND_SHADOW_GET) return "get";
  return kind == internal::v1::UplinkMessage::KIND_SHADOW_DELETE ? "delete" : "update";
}

// Null and absent sections desire and report nothing.
const json::Object* SectionOf(const json::Value* section) {
  return section == nullptr ? nullptr : section->IfObject();
}

int64_t Seconds(const ApplyContext& context) { return context.message.received_ms() / 1000; }

Refusal RefusalOf(const shadow::Rejected& rejected) {
  if (rejected.code == 413) return Refusal::kShadowTooLarge;
  if (rejected.code == 429) return Refusal::kShadowLoop;
  return Refusal::kShadowRejected;
}

bool FromApi(const ApplyContext& context) { return context.message.correlation() != 0; }

void Reject(const ApplyContext& context, std::string_view verb, const shadow::Rejected& rejected,
            std::optional<std::string_view> client_token) {
  Refuse(context, RefusalOf(rejected), rejected.message);
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
  if (!context.message.detail().empty() || changed.empty() || !IsWatched(context)) return;
  internal::v1::DeviceChange change;
  change.set_kind(internal::v1::DeviceChange::KIND_CHANGE);
  change.set_time_ms(context.message.received_ms());
  json::Print(changed, *change.mutable_reported());
  TellWatchers(context, std::move(change));
}

// An update that changed nothing is only accepted.
void PublishUpdate(const ApplyContext& context, const shadow::UpdateRequest& request,
                   const shadow::Document& document, const shadow::UpdateResult& result) {
  const std::string& name = context.message.detail();
  const shadow::AnswerContext answer{Seconds(context), request.client_token};
  if (HasSessions(context.device) && !result.noop) {
    if (result.has_delta) {
      PublishToDevice(context, ShadowTopic(context.device.id, name, "update/delta"),
                      shadow::UpdateDelta(document, answer));
    }
    PublishToDevice(context, ShadowTopic(context.device.id, name, "update/documents"),
                    shadow::UpdateDocuments(document, result.previous, answer));
  }
  Accept(context, "update", shadow::UpdateAccepted(request, result.version, answer));
  if (FromApi(context)) AnswerWithDocument(context, document);
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

bool SkipsUnchanged(const ApplyContext& context) {
  const Product* product = ProductOf(context);
  return product != nullptr && product->skip_unchanged;
}

// What the request does to `reported` of the classic shadow.
void ExpectReported(const ApplyContext& context, const shadow::UpdateRequest& request,
                    PropertyHistory& history) {
  static const json::Object kNothing;
  const json::Value* reported = request.reported();
  const bool untouched =
      !context.message.detail().empty() || (reported == nullptr && !request.state.is_null());
  history.Expect(untouched ? &kNothing : SectionOf(reported));
}

shadow::UpdateResult Apply(const ApplyContext& context, const shadow::UpdateRequest& request,
                           ShadowState& shadow, PropertyHistory& history) {
  if (IsFought(context, shadow, SectionOf(request.desired()), SectionOf(request.reported()))) {
    shadow::UpdateResult result;
    result.rejected = shadow::TooManyRequests();
    return result;
  }
  shadow::ApplyOptions options;
  options.skip_noop = SkipsUnchanged(context);
  options.want_previous = HasSessions(context.device);
  options.want_changes =
      IsWatched(context) || (history.wanted() && context.message.detail().empty());
  ExpectReported(context, request, history);
  const shadow::UpdateResult result = shadow::ApplyUpdate(
      shadow.document, request, Seconds(context), context.limits.shadow, options);
  if (result.accepted()) history.Note(result.changed_reported, context.message.received_ms());
  return result;
}

// To who listens: the sender, or for a child's shadow the hub.
void TellDelta(const ApplyContext& context, std::string_view name,
               const shadow::Document& document) {
  if (!document.exists() || !shadow::HasDelta(document)) return;
  const std::string topic = ShadowTopic(context.device.id, name, "update/delta");
  const std::string delta = shadow::UpdateDelta(document, {Seconds(context), std::nullopt});
  if (context.message.payload() == kHubListens) return PublishToDevice(context, topic, delta);
  PublishToSender(context, topic, delta);
}

}  // namespace

void RejectShadowName(const ApplyContext& context) {
  const shadow::ParsedSimple parsed =
      shadow::ParseSimple(context.message.payload(), context.limits.shadow);
  Reject(context, VerbOf(context.message.kind()), shadow::InvalidShadowName(), parsed.client_token);
}

void ApplyShadowListen(const ApplyContext& context) {
  const std::string& child = context.message.payload();
  if (!child.empty() && child != kHubListens) return PassListenOn(context, child);
  const std::string_view wanted = context.message.detail();
  if (wanted != kEveryNamedShadow) return TellDelta(context, wanted, Shadow(context).document);
  size_t told = 0;
  for (const auto& [name, shadow] : context.device.named) {
    if (told == context.limits.pushes_max) {
      return Refuse(context, Refusal::kShadowPushes, "more named shadows than are told at once");
    }
    if (shadow.document.exists()) ++told;
    TellDelta(context, name, shadow.document);
  }
}

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
  PropertyHistory history(context);
  const shadow::UpdateResult result = Apply(context, parsed.request, shadow, history);
  if (!result.accepted()) {
    return Reject(context, "update", *result.rejected, parsed.request.client_token);
  }
  NoteWrite(context, shadow, SectionOf(parsed.request.desired()),
            SectionOf(parsed.request.reported()));
  if (result.noop) {
    ++context.effects.tally.unchanged;
  } else {
    MarkDirty(context, shadow);
  }
  PublishUpdate(context, parsed.request, shadow.document, result);
  TellReportedChange(context, result.changed_reported);
}

void ApplyShadowDelete(const ApplyContext& context) {
  // Whatever else a payload holds, or whether it is one at all, changes nothing (AWS IoT shadows).
  const shadow::ParsedSimple parsed =
      shadow::ParseSimple(context.message.payload(), context.limits.shadow);
  ShadowState& shadow = Shadow(context);
  if (FromApi(context) && parsed.version && shadow.document.exists() &&
      *parsed.version != shadow.document.version) {
    return Reject(context, "delete", shadow::VersionConflict(), parsed.client_token);
  }
  json::Object removed;
  for (const json::Member& member : shadow.document.reported.state) {
    removed.Append(member.key, nullptr);
  }
  PropertyHistory history(context);
  if (context.message.detail().empty()) history.Expect(nullptr);
  const shadow::DeleteResult result = shadow::ApplyDelete(shadow.document);
  if (!result.found) return Reject(context, "delete", Missing(context), parsed.client_token);
  history.Note({}, context.message.received_ms());
  MarkDirty(context, shadow);
  Accept(context, "delete",
         shadow::DeleteAccepted(result.version, {Seconds(context), parsed.client_token}));
  if (FromApi(context)) {
    internal::v1::ApiAnswer answer;
    answer.set_code(200);
    answer.set_version(result.version);
    AnswerApi(context, std::move(answer));
  }
  TellReportedChange(context, removed);
}

}  // namespace homeport::registry
