#include "services/registry/core/property_history.h"

#include <string>
#include <utility>

#include "libs/base/strings.h"
#include "libs/json/print.h"
#include "services/registry/core/plain_text.h"

namespace homeport::registry {
namespace {

std::optional<double> NumberOf(const json::Value& value) {
  if (const bool* b = value.IfBool()) return *b ? 1 : 0;
  return value.ToDouble();
}

// The members of changes in step with those of the patch, whose order they have.
class Cursor {
 public:
  explicit Cursor(const json::Object* changes) : changes_(changes) {}
  const json::Value* Take(std::string_view key) {
    if (changes_ == nullptr || at_ == changes_->size()) return nullptr;
    const json::Member& member = changes_->members()[at_];
    if (member.key != key) return nullptr;
    ++at_;
    return &member.value;
  }

 private:
  const json::Object* changes_;
  size_t at_ = 0;
};

}  // namespace

PropertyHistory::PropertyHistory(const ApplyContext& context) : context_(context) {
  const Product* product = ProductOf(context);
  if (product != nullptr && !product->history.empty()) filter_ = &product->history;
}

void PropertyHistory::Expect(const json::Object* patch) {
  if (!wanted()) return;
  patch_ = patch;
  const json::Object& reported = context_.device.classic.document.reported.state;
  if (patch == nullptr) {
    before_ = reported;
    return;
  }
  for (const json::Member& member : *patch) {
    const json::Value* was = nullptr;
    if (member.value.is_object()) {
      // What lay on the first level gives way to a service.
      was = reported.Find(member.key);
      if (was != nullptr && was->is_object()) was = nullptr;
    } else if (was = reported.Find(member.key); was != nullptr && !was->is_object()) {
      was = nullptr;
    }
    if (was != nullptr) before_.Append(member.key, *was);
  }
}

void PropertyHistory::Note(const json::Object& changed, int64_t reported_ms) {
  if (!wanted()) return;
  reported_ms_ = reported_ms;
  for (const json::Member& member : before_) NoteGone(member);
  if (patch_ == nullptr) return;
  Cursor cursor(&changed);
  for (const json::Member& member : *patch_) NoteMember(member, cursor.Take(member.key));
}

void PropertyHistory::NoteMember(const json::Member& patch, const json::Value* changed) {
  uint64_t& coalesced = context_.effects.tally.coalesced;
  const json::Object* properties = patch.value.IfObject();
  if (properties == nullptr) {
    if (!filter_->Takes({}, patch.key)) return;
    const bool removes_service = patch.value.is_null() && before_.Has(patch.key);
    if (changed != nullptr && !removes_service) return Add({}, patch.key, *changed);
    if (changed == nullptr && !patch.value.is_null()) ++coalesced;
    return;
  }
  Cursor cursor(changed == nullptr ? nullptr : changed->IfObject());
  const json::Object& reported = context_.device.classic.document.reported.state;
  for (const json::Member& property : *properties) {
    const json::Value* now = cursor.Take(property.key);
    if (!filter_->Takes(patch.key, property.key)) continue;
    if (now == nullptr) {
      if (!property.value.is_null()) ++coalesced;
      continue;
    }
    // Of an object the changes are only a part.
    if (now->is_object()) now = reported.Find(patch.key)->Find(property.key);
    Add(patch.key, property.key, *now);
  }
}

void PropertyHistory::NoteGone(const json::Member& before) {
  const json::Object* properties = before.value.IfObject();
  if (properties == nullptr) {
    if (filter_->Takes({}, before.key)) Add({}, before.key, nullptr);
    return;
  }
  for (const json::Member& property : *properties) {
    if (filter_->Takes(before.key, property.key)) Add(before.key, property.key, nullptr);
  }
}

void PropertyHistory::Add(std::string_view service, std::string_view property,
                          const json::Value& value) {
  PropertyRow row;
  row.device = context_.device.id;
  row.name = service.empty() ? std::string(property) : fmt::format("{}.{}", service, property);
  if (row.name.size() > PropertyFilter::kNameBytesMax || !IsPlainText(row.name)) {
    return Refuse(context_, Refusal::kInvalidName, "no name for a history of values");
  }
  if (rows_ == context_.limits.history_values_max) {
    ++rows_;
    Refuse(context_, Refusal::kHistoryValues, "one message changes more values than are kept");
  }
  if (rows_ > context_.limits.history_values_max) return;
  json::Print(value, row.value);
  if (row.value.size() > context_.limits.history_value_bytes_max) {
    return Refuse(context_, Refusal::kHistoryValueBytes, "a value too long to be kept as history");
  }
  ++rows_;
  row.number = NumberOf(value);
  row.received_ms = context_.message.received_ms();
  row.reported_ms = reported_ms_;
  context_.effects.property_bytes += row.name.size() + row.value.size();
  context_.effects.properties.push_back(std::move(row));
}

}  // namespace homeport::registry
