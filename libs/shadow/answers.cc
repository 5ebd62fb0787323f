#include "libs/shadow/answers.h"

#include "libs/json/print.h"
#include "libs/shadow/delta.h"
#include "libs/shadow/metadata.h"

namespace homeport::shadow {
namespace {

using json::Object;

void AppendNumber(std::string_view key, int64_t value, std::string& out) {
  out.append(key);
  json::PrintInt64(value, out);
}

// The end of every answer: time and token.
void AppendEnd(const AnswerContext& context, std::string& out) {
  AppendNumber(",\"timestamp\":", context.now_seconds, out);
  if (context.client_token) {
    out.append(",\"clientToken\":");
    json::PrintString(*context.client_token, out);
  }
  out.push_back('}');
}

// The members of one JSON object, with commas between them.
class MemberList {
 public:
  explicit MemberList(std::string& out) : out_(out) { out_.push_back('{'); }
  std::string& Next(std::string_view key) {
    if (!first_) out_.push_back(',');
    first_ = false;
    json::PrintString(key, out_);
    out_.push_back(':');
    return out_;
  }
  void End() { out_.push_back('}'); }

 private:
  std::string& out_;
  bool first_ = true;
};

void AppendState(const Document& document, const Object& delta, std::string& out) {
  MemberList sections(out);
  if (!document.desired.empty()) Print(document.desired.state, sections.Next("desired"));
  if (!document.reported.empty()) Print(document.reported.state, sections.Next("reported"));
  if (!delta.empty()) Print(delta, sections.Next("delta"));
  sections.End();
}

void AppendSectionMetadata(const Section& section, std::string_view name, MemberList& sections) {
  if (!section.empty()) AppendMetadata(section.state, section.times, sections.Next(name));
}

// "state":..,"metadata":..,"version":n without braces around.
void AppendBody(const Document& document, const Object& delta, std::string& out) {
  out.append("\"state\":");
  AppendState(document, delta, out);
  out.append(",\"metadata\":");
  MemberList sections(out);
  AppendSectionMetadata(document.desired, "desired", sections);
  AppendSectionMetadata(document.reported, "reported", sections);
  sections.End();
  AppendNumber(",\"version\":", document.version, out);
}

}  // namespace

std::string UpdateAccepted(const UpdateRequest& request, int64_t version,
                           const AnswerContext& context) {
  std::string out = "{\"state\":";
  json::Print(request.state, out);
  out.append(",\"metadata\":");
  AppendMetadataAt(request.state, context.now_seconds, out);
  AppendNumber(",\"version\":", version, out);
  AppendEnd(context, out);
  return out;
}

std::string UpdateDelta(const Document& document, const AnswerContext& context) {
  const Object delta = MakeDelta(document.desired.state, document.reported.state);
  std::string out;
  AppendNumber("{\"version\":", document.version, out);
  AppendNumber(",\"timestamp\":", context.now_seconds, out);
  out.append(",\"state\":");
  json::Print(delta, out);
  out.append(",\"metadata\":");
  AppendMetadata(delta, document.desired.times, out);
  if (context.client_token) {
    out.append(",\"clientToken\":");
    json::PrintString(*context.client_token, out);
  }
  out.push_back('}');
  return out;
}

std::string UpdateDocuments(const Document& current, std::string_view previous,
                            const AnswerContext& context) {
  std::string out = "{\"previous\":";
  out.append(previous);
  out.append(",\"current\":");
  AppendDocument(current, out);
  AppendEnd(context, out);
  return out;
}

std::string GetAccepted(const Document& document, const AnswerContext& context) {
  std::string out = "{";
  AppendBody(document, MakeDelta(document.desired.state, document.reported.state), out);
  AppendEnd(context, out);
  return out;
}

std::string DeleteAccepted(int64_t version, const AnswerContext& context) {
  std::string out;
  AppendNumber("{\"version\":", version, out);
  AppendEnd(context, out);
  return out;
}

std::string RejectedAnswer(const Rejected& rejected, const AnswerContext& context) {
  std::string out;
  AppendNumber("{\"code\":", rejected.code, out);
  out.append(",\"message\":");
  json::PrintString(rejected.message, out);
  AppendEnd(context, out);
  return out;
}

void AppendDocument(const Document& document, std::string& out) {
  out.push_back('{');
  AppendBody(document, {}, out);
  out.push_back('}');
}

}  // namespace homeport::shadow
