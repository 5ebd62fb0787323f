#pragma once

#include <google/protobuf/field_mask.pb.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "libs/base/reason.h"

// Updates (AIP-134, AIP-161): which fields of a message go into a row.
namespace homeport::registry {

// A field that callers may change.
template <typename Message, typename Row>
struct UpdateField {
  std::string_view path;           // in an update mask; with its message's, "quota.devices"
  bool (*is_set)(const Message&);  // whether it counts without a mask
  void (*copy)(const Message&, Row&);
};

template <typename Message, typename Row, size_t kFields>
void CopyFields(const Message& message, const UpdateField<Message, Row> (&fields)[kFields],
                Row& row) {
  for (const UpdateField<Message, Row>& field : fields) field.copy(message, row);
}

// Copies what the mask names: a field, all those of a message, or "*" for all; without a mask those
// that are set. Output-only fields are ignored. INVALID_ARGUMENT FIELD_INVALID for what is no
// field.
template <typename Message, typename Row, size_t kFields>
[[nodiscard]] absl::Status MergeFields(const Message& message,
                                       const google::protobuf::FieldMask& mask,
                                       const UpdateField<Message, Row> (&fields)[kFields],
                                       Row& row) {
  if (mask.paths().empty()) {
    for (const UpdateField<Message, Row>& field : fields) {
      if (field.is_set(message)) field.copy(message, row);
    }
    return absl::OkStatus();
  }
  for (const std::string& path : mask.paths()) {
    bool is_known = Message::descriptor()->FindFieldByName(path) != nullptr;
    for (const UpdateField<Message, Row>& field : fields) {
      if (path != "*" && field.path != path && !field.path.starts_with(path + ".")) continue;
      field.copy(message, row);
      is_known = true;
    }
    if (!is_known) return FieldInvalid("update_mask", "no field \"" + path + "\"");
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
