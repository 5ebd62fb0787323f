#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libs/json/value.h"
#include "libs/shadow/document.h"
#include "libs/shadow/limits.h"
#include "libs/shadow/request.h"

namespace homeport::shadow {

// The one entry point of the shadow algebra (AWS IoT shadows). Pure functions on a Document: no
// clock (times are passed in, epoch seconds), no I/O, any thread that owns the document. A refused
// update leaves the document untouched. Answers to devices are built from the results by
// shadow/answers.h, only those that somebody listens to.

struct ApplyOptions {
  // An update that would change no value is accepted but leaves version and times as they are.
  // Off: every accepted update raises the version, as AWS does.
  bool skip_noop = false;
  // Fill UpdateResult::previous, which `.../update/documents` needs. Costs a print of the document.
  bool want_previous = false;
  // Fill UpdateResult::changed_*.
  bool want_changes = false;
};

struct UpdateResult {
  std::optional<Rejected> rejected;  // 400 Invalid version, 409 Version conflict, 413
  int64_t version = 0;               // of the document after the update
  bool noop = false;                 // skip_noop took effect: nothing to store or publish
  bool has_delta = false;            // desired differs from reported now: publish update/delta
  // With want_previous: the value of "previous" in update/documents, JSON text; null where the
  // update made the shadow.
  std::string previous;
  // With want_changes: what really changed, as merge patches from the old state to the new one
  // (removed keys are null; an object that replaced another kind of value is whole).
  json::Object changed_desired;
  json::Object changed_reported;

  [[nodiscard]] bool accepted() const { return !rejected.has_value(); }
};

// Versions: with request.version the update is processed only if the document's version is the
// same, else 409. A shadow that never existed takes only 1, else 400 Invalid version. On a
// tombstone both its own version and the one before (which delete/accepted told) are right.
[[nodiscard]] UpdateResult ApplyUpdate(Document& document, const UpdateRequest& request,
                                       int64_t now_seconds, const Limits& limits,
                                       const ApplyOptions& options = {});

// Merges `patch` into reported: the path of typed property reports, without a request document.
// REQUIRES: `patch` respects limits.depth_max and has no null in arrays.
[[nodiscard]] UpdateResult ApplyReported(Document& document, const json::Object& patch,
                                         int64_t now_seconds, const Limits& limits,
                                         const ApplyOptions& options = {});

struct DeleteResult {
  bool found = false;   // false: 404 NoShadow, nothing changed
  int64_t version = 0;  // for delete/accepted: the version that was deleted
};

// Turns the shadow into a tombstone whose version is one higher, so the next one is again higher:
// whoever orders by version sees the deletion, and numbers never come back.
[[nodiscard]] DeleteResult ApplyDelete(Document& document);

}  // namespace homeport::shadow
