#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/shadow/apply.h"
#include "libs/shadow/document.h"
#include "libs/shadow/limits.h"
#include "libs/shadow/request.h"

namespace homeport::shadow {

// The JSON payloads of the shadow topics (AWS IoT shadows), each built only when called. All times
// are epoch seconds. Pure: any thread.

struct AnswerContext {
  int64_t now_seconds = 0;
  std::optional<std::string_view> client_token;  // of the request, echoed
};

// `.../update/accepted`: the state as requested with the times of the touched fields. A field set
// to null counts as touched.
[[nodiscard]] std::string UpdateAccepted(const UpdateRequest& request, int64_t version,
                                         const AnswerContext& context);

// `.../update/delta`. REQUIRES: HasDelta(document).
[[nodiscard]] std::string UpdateDelta(const Document& document, const AnswerContext& context);

// `.../update/documents`. `previous` is UpdateResult::previous.
[[nodiscard]] std::string UpdateDocuments(const Document& current, std::string_view previous,
                                          const AnswerContext& context);

// `.../get/accepted`. REQUIRES: document.exists(); otherwise answer NoShadow().
[[nodiscard]] std::string GetAccepted(const Document& document, const AnswerContext& context);

// `.../delete/accepted`.
[[nodiscard]] std::string DeleteAccepted(int64_t version, const AnswerContext& context);

// `.../{update,get,delete}/rejected`.
[[nodiscard]] std::string RejectedAnswer(const Rejected& rejected, const AnswerContext& context);

// {"state":..,"metadata":..,"version":n} as in update/documents.
void AppendDocument(const Document& document, std::string& out);

}  // namespace homeport::shadow
