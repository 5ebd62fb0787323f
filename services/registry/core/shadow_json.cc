#include "services/registry/core/shadow_json.h"

#include <functional>

#include "libs/json/print.h"
#include "libs/shadow/delta.h"
#include "libs/shadow/metadata.h"

namespace homeport::registry {
namespace {

void AppendMember(std::string& out, std::string_view key, const std::function<void()>& value) {
  if (out.size() > 1) out.push_back(',');
  json::PrintString(key, out);
  out.push_back(':');
  value();
}

}  // namespace

std::string StateJson(const shadow::Document& document) {
  std::string out = "{";
  const auto append = [&](std::string_view key, const json::Object& state) {
    if (!state.empty()) AppendMember(out, key, [&] { json::Print(state, out); });
  };
  append("desired", document.desired.state);
  append("reported", document.reported.state);
  append("delta", shadow::MakeDelta(document.desired.state, document.reported.state));
  out.push_back('}');
  return out;
}

std::string MetadataJson(const shadow::Document& document) {
  std::string out = "{";
  const auto append = [&](std::string_view key, const shadow::Section& section) {
    if (section.empty()) return;
    AppendMember(out, key, [&] { shadow::AppendMetadata(section.state, section.times, out); });
  };
  append("desired", document.desired);
  append("reported", document.reported);
  out.push_back('}');
  return out;
}

}  // namespace homeport::registry
