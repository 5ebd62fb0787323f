// Lines of any bytes as update requests on one shadow; the line "!" deletes it. What must hold
// after each: versions only rise, a refusal changes nothing, the size keeps the limit, the answers
// are JSON, and the delta says exactly what reported lacks of desired.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "libs/shadow/delta.h"
#include "libs/shadow/document.h"
#include "libs/shadow/merge.h"
#include "libs/shadow/request.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::Value;

// RFC 7396 by its own pseudo code, on copies.
Value NaiveMerge(const Value* target, const Value& patch) {
  if (!patch.is_object()) return patch;
  Object result;
  if (target != nullptr && target->is_object()) result = *target->IfObject();
  for (const Member& member : *patch.IfObject()) {
    if (member.value.is_null()) {
      result.Erase(member.key);
    } else {
      Value merged = NaiveMerge(result.Find(member.key), member.value);
      result.Set(member.key, std::move(merged));
    }
  }
  return result;
}

Object NaiveSection(const Section& section, const UpdateRequest& request, const Value* patch) {
  if (request.state.is_null() || (patch != nullptr && patch->is_null())) return {};
  if (patch == nullptr) return section.state;
  const Value state = section.state;
  return *NaiveMerge(&state, *patch).IfObject();
}

// Whether reported holds all that is desired.
bool Covers(const Value* reported, const Value& desired) {
  if (reported == nullptr) return false;
  if (!desired.is_object() || !reported->is_object()) return *reported == desired;
  for (const Member& member : *desired.IfObject()) {
    if (!Covers(reported->Find(member.key), member.value)) return false;
  }
  return true;
}

void CheckIsJson(const std::string& text) {
  Value value;
  HP_CHECK(json::ParseInto(text, {}, value).ok());
}

void CheckDocument(const Document& document, const Limits& limits) {
  const Value reported = document.reported.state;
  const bool covered = Covers(&reported, Value(document.desired.state));
  HP_CHECK(HasDelta(document) == !covered);
  size_t bytes = 0;
  for (const Section* section : {&document.desired, &document.reported}) {
    if (!section->empty()) bytes += json::Print(section->state).size();
  }
  HP_CHECK(bytes <= limits.bytes_max);
  HP_CHECK(bytes <= document.bytes_bound);
  if (document.exists()) CheckIsJson(GetAccepted(document, {1, "t"}));
  if (!covered) CheckIsJson(UpdateDelta(document, {1, "t"}));

  std::string state;
  std::string metadata;
  EncodeState(document, state);
  EncodeMetadata(document, metadata);
  const auto stored = DecodeDocument({state, metadata, document.version, document.deleted});
  HP_CHECK(stored.ok());
  HP_CHECK(json::Print(stored->desired.times) == json::Print(document.desired.times));
  HP_CHECK(json::Print(stored->reported.state) == json::Print(document.reported.state));
}

void CheckUpdate(Document& document, std::string_view payload, const Limits& limits) {
  const ParsedUpdate parsed = ParseUpdate(payload, limits);
  if (parsed.rejected) {
    CheckIsJson(RejectedAnswer(*parsed.rejected, {1, parsed.request.client_token}));
    return;
  }
  const UpdateRequest& request = parsed.request;
  const Document before = document;
  const UpdateResult result =
      ApplyUpdate(document, request, 1, limits, {.want_previous = true, .want_changes = true});
  HP_CHECK(result.version == document.version);
  if (!result.accepted()) {
    HP_CHECK(document.version == before.version && document.deleted == before.deleted);
    HP_CHECK(document.desired.state == before.desired.state);
    HP_CHECK(document.reported.state == before.reported.state);
    return;
  }
  HP_CHECK(document.version == before.version + 1);
  HP_CHECK(document.exists());
  HP_CHECK(document.desired.state == NaiveSection(before.desired, request, request.desired()));
  HP_CHECK(document.reported.state == NaiveSection(before.reported, request, request.reported()));
  HP_CHECK(result.has_delta == HasDelta(document));
  HP_CHECK(result.changed_desired.empty() == (document.desired.state == before.desired.state));
  HP_CHECK(result.changed_reported.empty() == (document.reported.state == before.reported.state));
  CheckIsJson(UpdateAccepted(request, result.version, {1, request.client_token}));
  CheckIsJson(UpdateDocuments(document, result.previous, {1, ""}));
}

void CheckDelete(Document& document) {
  const int64_t before = document.version;
  const bool existed = document.exists();
  HP_CHECK(ApplyDelete(document).found == existed);
  HP_CHECK(document.version == before + (existed ? 1 : 0));
}

}  // namespace
}  // namespace homeport::shadow

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace shadow = homeport::shadow;
  const shadow::Limits limits{.bytes_max = 200, .depth_max = 5};
  shadow::Document document;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line == "!") {
      shadow::CheckDelete(document);
    } else {
      shadow::CheckUpdate(document, line, limits);
    }
    shadow::CheckDocument(document, limits);
  }
  return 0;
}
