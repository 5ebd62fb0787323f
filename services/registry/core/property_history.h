#pragma once

#include <cstdint>
#include <string_view>

#include "libs/json/value.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/property_filter.h"

namespace homeport::registry {

// Notes the reported values of the classic shadow that one update changes, where the device's
// product keeps them: one row for each property whose value is another one now, JSON null where it
// was removed. Made before the update is applied, and told what came of it. Lives as long as both.
class PropertyHistory {
 public:
  explicit PropertyHistory(const ApplyContext& context);

  // Whether anything may be kept: then the update has to tell its changes. Otherwise the calls
  // below do nothing.
  [[nodiscard]] bool wanted() const { return filter_ != nullptr; }

  // What will be merged into `reported`; null: all of it will be removed.
  void Expect(const json::Object* patch);
  // It was accepted, and this is what it changed, in the order of the patch
  // (UpdateResult::changed_reported). `reported_ms` is when the device says it reported.
  void Note(const json::Object& changed, int64_t reported_ms);

 private:
  void NoteMember(const json::Member& patch, const json::Value* changed);
  void NoteGone(const json::Member& before);
  void Add(std::string_view service, std::string_view property, const json::Value& value);

  const ApplyContext& context_;
  const PropertyFilter* filter_ = nullptr;
  const json::Object* patch_ = nullptr;
  // What the update may remove without naming it: services as they were.
  json::Object before_;
  int64_t reported_ms_ = 0;
  size_t rows_ = 0;
};

}  // namespace homeport::registry
