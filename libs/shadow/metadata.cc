#include "libs/shadow/metadata.h"

#include <string_view>

#include "libs/base/check.h"
#include "libs/json/print.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::Value;

void AppendTimestamp(int64_t seconds, std::string& out) {
  out.append("{\"timestamp\":");
  json::PrintInt64(seconds, out);
  out.push_back('}');
}

void AppendKey(std::string_view key, bool first, std::string& out) {
  if (!first) out.push_back(',');
  json::PrintString(key, out);
  out.push_back(':');
}

void AppendValue(const Value& state, const Value& times, std::string& out) {
  if (const Object* object = state.IfObject()) {
    const Object* inner = times.IfObject();
    HP_CHECK(inner != nullptr);
    AppendMetadata(*object, *inner, out);
    return;
  }
  const int64_t* seconds = times.IfInt64();
  HP_CHECK(seconds != nullptr);
  AppendMetadataAt(state, *seconds, out);
}

void AppendArrayAt(const json::Array& array, int64_t now_seconds, std::string& out) {
  out.push_back('[');
  bool first = true;
  for (const Value& value : array) {
    if (!first) out.push_back(',');
    first = false;
    AppendMetadataAt(value, now_seconds, out);
  }
  out.push_back(']');
}

void AppendObjectAt(const Object& object, int64_t now_seconds, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const Member& member : object) {
    AppendKey(member.key, first, out);
    first = false;
    AppendMetadataAt(member.value, now_seconds, out);
  }
  out.push_back('}');
}

}  // namespace

void AppendMetadata(const Object& state, const Object& times, std::string& out) {
  out.push_back('{');
  for (size_t i = 0; i < state.size(); ++i) {
    const Member& member = state.members()[i];
    const Value* member_times = times.FindNear(member.key, i);
    HP_CHECK(member_times != nullptr);
    AppendKey(member.key, i == 0, out);
    AppendValue(member.value, *member_times, out);
  }
  out.push_back('}');
}

void AppendMetadataAt(const Value& state, int64_t now_seconds, std::string& out) {
  if (const Object* object = state.IfObject()) {
    AppendObjectAt(*object, now_seconds, out);
  } else if (const json::Array* array = state.IfArray()) {
    AppendArrayAt(*array, now_seconds, out);
  } else {
    AppendTimestamp(now_seconds, out);
  }
}

}  // namespace homeport::shadow
