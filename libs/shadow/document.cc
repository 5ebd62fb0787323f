#include "libs/shadow/document.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/object_index.h"
#include "libs/json/parse.h"
#include "libs/json/print.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::Value;

void EncodeSections(const Object& desired, const Object& reported, std::string& out) {
  out.assign("{");
  if (!desired.empty()) {
    out.append("\"desired\":");
    json::Print(desired, out);
  }
  if (!reported.empty()) {
    out.append(desired.empty() ? "\"reported\":" : ",\"reported\":");
    json::Print(reported, out);
  }
  out.push_back('}');
}

bool SameKeys(const Object& a, const Object& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a.members()[i].key != b.members()[i].key) return false;
  }
  return true;
}

// Gives `times` exactly the keys of `state`, in their order.
void TakeKeys(const Object& state, Object& times) {
  Object aligned;
  aligned.reserve(state.size());
  json::ObjectIndex index(times);
  for (const Member& member : state) {
    const size_t position = index.Find(member.key);
    Value value = position == json::ObjectIndex::kNotFound
                      ? Value()
                      : std::move(times.members()[position].value);
    aligned.Append(member.key, std::move(value));
  }
  times = std::move(aligned);
}

// Makes `times` mirror `state`. False when `state` holds a null that no merge leaves there.
bool Align(const Object& state, Object& times) {
  if (!SameKeys(state, times)) TakeKeys(state, times);
  for (size_t i = 0; i < state.size(); ++i) {
    const Value& value = state.members()[i].value;
    Value& time = times.members()[i].value;
    if (value.is_null()) return false;
    if (const Object* object = value.IfObject()) {
      if (!time.is_object()) time = Object();
      if (!Align(*object, *time.IfObject())) return false;
    } else if (time.IfInt64() == nullptr) {
      time = 0;
    }
  }
  return true;
}

absl::StatusOr<Value> ParseStored(std::string_view text, std::string_view what) {
  if (text.empty()) return Value(Object());
  Value value;
  const json::ParseResult result = json::ParseInto(
      text, {.depth_max = json::kParseDepthMax, .bytes_max = size_t{64} << 20}, value);
  if (result.ok() && value.is_object()) return value;
  return absl::DataLossError(fmt::format("stored shadow {}: {} at byte {}", what,
                                         result.ok() ? "not an object" : ToText(result.error),
                                         result.offset));
}

// Moves the section out of a parsed text; empty when absent.
Object TakeSection(Value& root, std::string_view name) {
  Value* section = root.IfObject()->Find(name);
  if (section == nullptr || !section->is_object()) return {};
  return std::move(*section->IfObject());
}

}  // namespace

void EncodeState(const Document& document, std::string& state) {
  EncodeSections(document.desired.state, document.reported.state, state);
}

void EncodeMetadata(const Document& document, std::string& metadata) {
  EncodeSections(document.desired.times, document.reported.times, metadata);
}

absl::StatusOr<Document> DecodeDocument(const StoredDocument& stored) {
  HP_ASSIGN_OR_RETURN(Value state, ParseStored(stored.state, "state"));
  HP_ASSIGN_OR_RETURN(Value metadata, ParseStored(stored.metadata, "metadata"));
  Document document;
  document.version = stored.version;
  document.deleted = stored.deleted;
  document.bytes_bound = stored.state.size();
  document.desired = {TakeSection(state, "desired"), TakeSection(metadata, "desired")};
  document.reported = {TakeSection(state, "reported"), TakeSection(metadata, "reported")};
  for (Section* section : {&document.desired, &document.reported}) {
    if (!Align(section->state, section->times)) {
      return absl::DataLossError("stored shadow state: a null");
    }
  }
  return document;
}

}  // namespace homeport::shadow
