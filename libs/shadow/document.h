#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "libs/json/value.h"

namespace homeport::shadow {

// One half of a shadow. `state` and `times` mirror each other: an object in `state` has an object
// with the same keys in `times`; any other value (a scalar or a whole array) has the int64 of its
// last update, in epoch seconds. The wire's {"timestamp":t} form is made when an answer is built
// (shadow/answers.h): arrays are replaced whole, so one number per array says it all.
struct Section {
  json::Object state;
  json::Object times;
  [[nodiscard]] bool empty() const { return state.empty(); }
};

// A shadow of one device: the state after every accepted update. Value type, no locks: one writer
// at a time. Change it only through shadow/apply.h.
//
//   version 0, not deleted   never existed
//   version n, not deleted   the n-th state; an empty shadow ({}) still exists
//   version n, deleted       tombstone: no state; versions go on from n and are never reused
struct Document {
  Section desired;  // empty means the section is absent
  Section reported;
  int64_t version = 0;
  bool deleted = false;
  // No less than the compact JSON size of both states; a cheap bound for the size limit.
  size_t bytes_bound = 0;

  [[nodiscard]] bool exists() const { return version > 0 && !deleted; }
};

// The two texts to store beside version and deleted, both compact JSON objects:
//   state     {"desired":{...},"reported":{...}}     absent sections left out
//   metadata  the same shape with epoch seconds for leaves
// Both clear the string first; its capacity is reused.
void EncodeState(const Document& document, std::string& state);
void EncodeMetadata(const Document& document, std::string& metadata);

struct StoredDocument {
  std::string_view state;     // "" and "{}" both mean no sections
  std::string_view metadata;  // leaves that are missing here get the time 0
  int64_t version = 0;
  bool deleted = false;
};

// The inverse. Errors: kDataLoss when a text is not what Encode* writes.
[[nodiscard]] absl::StatusOr<Document> DecodeDocument(const StoredDocument& stored);

}  // namespace homeport::shadow
