#include "libs/shadow/apply.h"

#include <utility>

#include "libs/json/print.h"
#include "libs/shadow/answers.h"
#include "libs/shadow/delta.h"
#include "libs/shadow/merge.h"

namespace homeport::shadow {
namespace {

using json::Object;
using json::Value;

// What an update does to one section.
struct SectionChange {
  enum class Kind : uint8_t { kKeep, kRemove, kMerge };
  Kind kind = Kind::kKeep;
  const Object* patch = nullptr;  // with kMerge
};

struct Change {
  SectionChange desired;
  SectionChange reported;
  size_t bytes = 0;  // no less than what it can add to the document's size
};

SectionChange ChangeOf(const Value* section) {
  if (section == nullptr) return {};
  if (section->is_null()) return {SectionChange::Kind::kRemove, nullptr};
  return {SectionChange::Kind::kMerge, section->IfObject()};
}

Change ChangeOf(const UpdateRequest& request) {
  if (request.state.is_null()) return {ChangeOf(&request.state), ChangeOf(&request.state), 0};
  return {ChangeOf(request.desired()), ChangeOf(request.reported()), request.state_bytes};
}

std::optional<Rejected> CheckVersion(const Document& document, const UpdateRequest& request) {
  if (!request.version) return std::nullopt;
  if (document.version == 0) {
    if (*request.version == 1) return std::nullopt;
    return InvalidVersion();
  }
  if (*request.version == document.version) return std::nullopt;
  if (document.deleted && *request.version == document.version - 1) return std::nullopt;
  return VersionConflict();
}

bool SectionWouldChange(const Section& section, const SectionChange& change) {
  switch (change.kind) {
    case SectionChange::Kind::kKeep:
      return false;
    case SectionChange::Kind::kRemove:
      return !section.empty();
    case SectionChange::Kind::kMerge:
      return WouldChange(section.state, *change.patch);
  }
  return false;
}

void ClearSection(Section& section, Object* changes) {
  if (changes != nullptr) {
    for (const json::Member& member : section.state) changes->Append(member.key, nullptr);
  }
  section = {};
}

void ApplySection(Section& section, const SectionChange& change, int64_t now_seconds,
                  Object* changes) {
  switch (change.kind) {
    case SectionChange::Kind::kKeep:
      return;
    case SectionChange::Kind::kRemove:
      ClearSection(section, changes);
      return;
    case SectionChange::Kind::kMerge:
      MergeSection(section, *change.patch, now_seconds, changes);
      return;
  }
}

size_t PrintedBytes(const Section& section) {
  return section.empty() ? 0 : json::Print(section.state).size();
}

size_t PrintedBytes(const Document& document) {
  return PrintedBytes(document.desired) + PrintedBytes(document.reported);
}

// Whether the result keeps the size limit. Nearly always the bound answers; else the document is
// measured, and near the limit the update is tried on a copy.
bool FitsAfter(Document& document, const Change& change, const Limits& limits) {
  if (document.bytes_bound + change.bytes <= limits.bytes_max) return true;
  document.bytes_bound = PrintedBytes(document);
  if (document.bytes_bound + change.bytes <= limits.bytes_max) return true;
  Document trial = document;
  ApplySection(trial.desired, change.desired, 0, nullptr);
  ApplySection(trial.reported, change.reported, 0, nullptr);
  return PrintedBytes(trial) <= limits.bytes_max;
}

// Where there was no shadow AWS has a null.
std::string PreviousOf(const Document& document) {
  std::string previous;
  if (document.exists()) {
    AppendDocument(document, previous);
  } else {
    previous = "null";
  }
  return previous;
}

bool IsNoop(const Document& document, const Change& change) {
  return document.exists() && !SectionWouldChange(document.desired, change.desired) &&
         !SectionWouldChange(document.reported, change.reported);
}

UpdateResult Apply(Document& document, const Change& change, int64_t now_seconds,
                   const Limits& limits, const ApplyOptions& options) {
  UpdateResult result;
  result.version = document.version;
  if (options.skip_noop && IsNoop(document, change)) {
    result.noop = true;
    result.has_delta = HasDelta(document);
    return result;
  }
  if (!FitsAfter(document, change, limits)) {
    result.rejected = TooLarge();
    return result;
  }
  if (options.want_previous) result.previous = PreviousOf(document);
  Object* desired_changes = options.want_changes ? &result.changed_desired : nullptr;
  Object* reported_changes = options.want_changes ? &result.changed_reported : nullptr;
  ApplySection(document.desired, change.desired, now_seconds, desired_changes);
  ApplySection(document.reported, change.reported, now_seconds, reported_changes);
  document.bytes_bound += change.bytes;
  document.deleted = false;
  result.version = ++document.version;
  result.has_delta = HasDelta(document);
  return result;
}

}  // namespace

UpdateResult ApplyUpdate(Document& document, const UpdateRequest& request, int64_t now_seconds,
                         const Limits& limits, const ApplyOptions& options) {
  if (auto rejected = CheckVersion(document, request)) {
    UpdateResult result;
    result.rejected = std::move(rejected);
    result.version = document.version;
    return result;
  }
  return Apply(document, ChangeOf(request), now_seconds, limits, options);
}

UpdateResult ApplyReported(Document& document, const json::Object& patch, int64_t now_seconds,
                           const Limits& limits, const ApplyOptions& options) {
  const size_t bytes = json::Print(patch).size();
  const Change change{{}, {SectionChange::Kind::kMerge, &patch}, bytes};
  return Apply(document, change, now_seconds, limits, options);
}

DeleteResult ApplyDelete(Document& document) {
  if (!document.exists()) return {};
  DeleteResult result{true, document.version};
  document = Document{{}, {}, document.version + 1, true, 0};
  return result;
}

}  // namespace homeport::shadow
