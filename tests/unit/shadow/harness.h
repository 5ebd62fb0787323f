#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/apply.h"
#include "libs/shadow/document.h"
#include "libs/shadow/request.h"

namespace homeport::shadow {

// The value of a JSON text that is known to be right.
inline json::Value J(std::string_view text) { return json::Parse(text).value(); }
inline json::Object O(std::string_view text) { return *J(text).IfObject(); }

// One shadow as its clients see it: texts in, texts out, a clock that stands until moved.
struct Harness {
  Document document;
  Limits limits;
  ApplyOptions options;
  int64_t now = 1000;
  UpdateRequest last_request;

  // REQUIRES of callers who look at the document: the request parses.
  UpdateResult Update(std::string_view payload) {
    ParsedUpdate parsed = ParseUpdate(payload, limits);
    if (parsed.rejected) {
      UpdateResult result;
      result.rejected = parsed.rejected;
      return result;
    }
    last_request = parsed.request;
    return ApplyUpdate(document, last_request, now, limits, options);
  }

  [[nodiscard]] json::Value Get() const { return J(GetAccepted(document, {now, ""})); }
  [[nodiscard]] std::string GetState() const { return json::Print(*Get().Find("state")); }
  [[nodiscard]] std::string GetMetadata() const { return json::Print(*Get().Find("metadata")); }
};

}  // namespace homeport::shadow
