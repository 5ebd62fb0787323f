#include "services/registry/core/event_key.h"

#include "libs/base/hash.h"
#include "libs/base/strings.h"
#include "services/registry/core/plain_text.h"

namespace homeport::registry {

std::string EventKey(const json::Object& payload, std::string_view arguments) {
  constexpr size_t kIdBytesMax = 64;
  if (const auto number = payload.FindInt64("id")) return fmt::format("n{}", *number);
  const json::Value* id = payload.Find("id");
  const auto* text = id == nullptr ? nullptr : id->IfString();
  if (text != nullptr && !text->empty() && text->size() <= kIdBytesMax && IsPlainText(*text)) {
    return fmt::format("s{}", *text);
  }
  const auto ts = payload.FindInt64("ts");
  return ts ? fmt::format("t{}-{:016x}", *ts, Hash64(arguments)) : "";
}

}  // namespace homeport::registry
