#include <string>
#include <utility>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/payload.h"
#include "services/registry/core/property_history.h"
#include "services/registry/core/publish.h"
#include "services/registry/core/report.h"
#include "services/registry/core/shadow_loop.h"

// Typed property reports: the good parameters of one report become one version of the classic
// shadow; the others are refused one by one.
namespace homeport::registry {
namespace {

void Answer(const ApplyContext& context, const json::Value& id, model::Code code,
            std::string_view message, const std::vector<RefusedParam>& params) {
  PublishToSender(context, fmt::format("device/{}/down/refused", context.device.id),
                  RefusedAnswer(id, code, message, params));
}

void AnswerMalformed(const ApplyContext& context, const json::Value& id,
                     std::string_view complaint) {
  Refuse(context, Refusal::kMalformedPayload, complaint);
  Answer(context, id, model::Code::kWrongValue, complaint, {});
}

// Its values are judged by the version that it has run so far.
void AnswerUnknownModel(const ApplyContext& context, const json::Value& id) {
  constexpr model::Code kCode = model::Code::kNoDescription;
  Refuse(context, Refusal::kUnknownModel, "the product has no version of that URN");
  Answer(context, id, kCode, model::ToText(kCode), {});
}

// No device has so many reports on its way. An id that is further back is one of a device that has
// begun to count anew, and whose first sending of it did not arrive.
constexpr uint64_t kRepeatsMax = 1'000;

bool WasApplied(const ApplyContext& context, const Report& report) {
  const auto number = report.number();
  const int64_t last = context.device.classic.last_report_id;
  return context.message.dup() && number && *number <= last &&
         static_cast<uint64_t>(last) - static_cast<uint64_t>(*number) < kRepeatsMax;
}

// The device knows what it has reported: the documents go to others that follow its shadow.
void PublishReport(const ApplyContext& context, const shadow::UpdateResult& result) {
  const shadow::Document& document = context.device.classic.document;
  const shadow::AnswerContext answer{context.message.received_ms() / 1000, std::nullopt};
  if (result.has_delta && HasSessions(context.device)) {
    PublishToDevice(context, ShadowTopic(context.device.id, "", "update/delta"),
                    shadow::UpdateDelta(document, answer));
  }
  if (HasOthers(context)) {
    PublishToOthers(context, ShadowTopic(context.device.id, "", "update/documents"),
                    shadow::UpdateDocuments(document, result.previous, answer));
  }
  if (result.changed_reported.empty() || !IsWatched(context)) return;
  internal::v1::DeviceChange change;
  change.set_kind(internal::v1::DeviceChange::KIND_CHANGE);
  change.set_time_ms(context.message.received_ms());
  json::Print(result.changed_reported, *change.mutable_reported());
  TellWatchers(context, std::move(change));
}

void ApplyPatch(const ApplyContext& context, const Report& report) {
  ShadowState& classic = context.device.classic;
  shadow::ApplyOptions options;
  PropertyHistory history(context);
  history.Expect(&report.patch);
  options.want_changes = history.wanted() || IsWatched(context);
  options.want_previous = HasOthers(context);
  if (const Product* product = ProductOf(context)) options.skip_noop = product->skip_unchanged;
  const shadow::UpdateResult result =
      shadow::ApplyReported(classic.document, report.patch, context.message.received_ms() / 1000,
                            context.limits.shadow, options);
  if (!result.accepted()) {
    Refuse(context, Refusal::kShadowTooLarge, result.rejected->message);
    return Answer(context, report.id, model::Code::kWrongValue, result.rejected->message, {});
  }
  if (const auto number = report.number()) classic.last_report_id = *number;
  history.Note(result.changed_reported, BelievedTime(context, report.ts));
  // What a device reports is always believed; those who fight with it are refused.
  NoteWrite(context, classic, nullptr, &report.patch);
  if (result.noop) {
    ++context.effects.tally.unchanged;
    return;
  }
  classic.dirty = true;
  ++context.effects.tally.versions;
  context.effects.Changed(context.device);
  PublishReport(context, result);
}

}  // namespace

void ApplyReport(const ApplyContext& context) {
  json::Value document;
  if (const std::string_view complaint = ReadPayload(context.message, document);
      !complaint.empty()) {
    return AnswerMalformed(context, {}, complaint);
  }
  const std::string* named = NamedModel(document);
  const bool known = named == nullptr || NameModel(context, *named);
  const Report report =
      ReadReport(std::move(document), ModelOf(context), context.limits.shadow.depth_max);
  if (!known) AnswerUnknownModel(context, report.id);
  if (report.malformed) return AnswerMalformed(context, report.id, report.complaint);
  if (WasApplied(context, report)) {
    ++context.effects.tally.duplicate_reports;
    return;
  }
  if (!report.patch.empty()) ApplyPatch(context, report);
  if (report.refused.empty()) return;
  const model::Code first = report.refused.front().code;
  Refuse(context, Refusal::kModelViolation, model::ToText(first));
  Answer(context, report.id, first, model::ToText(first), report.refused);
}

}  // namespace homeport::registry
