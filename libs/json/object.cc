#include <algorithm>

#include "libs/json/object_index.h"
#include "libs/json/value.h"

namespace homeport::json {

void Object::reserve(size_t members) { members_.reserve(members); }

void Object::clear() { members_.clear(); }

const Value* Object::Find(std::string_view key) const {
  for (const Member& member : members_) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Value* Object::Find(std::string_view key) {
  for (Member& member : members_) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const Value* Object::FindNear(std::string_view key, size_t hint) const {
  if (hint < members_.size() && members_[hint].key == key) return &members_[hint].value;
  return Find(key);
}

const std::string* Object::FindString(std::string_view key) const {
  const Value* value = Find(key);
  return value != nullptr ? value->IfString() : nullptr;
}

const Object* Object::FindObject(std::string_view key) const {
  const Value* value = Find(key);
  return value != nullptr ? value->IfObject() : nullptr;
}

const Array* Object::FindArray(std::string_view key) const {
  const Value* value = Find(key);
  return value != nullptr ? value->IfArray() : nullptr;
}

std::optional<int64_t> Object::FindInt64(std::string_view key) const {
  const Value* value = Find(key);
  return value != nullptr ? value->ToInt64() : std::nullopt;
}

Value& Object::Set(std::string_view key, Value value) {
  if (Value* present = Find(key)) {
    *present = std::move(value);
    return *present;
  }
  return Append(std::string(key), std::move(value));
}

Value& Object::Append(std::string key, Value value) {
  members_.push_back({std::move(key), std::move(value)});
  return members_.back().value;
}

bool Object::Erase(std::string_view key) {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [key](const Member& member) { return member.key == key; });
  if (found == members_.end()) return false;
  members_.erase(found);
  return true;
}

size_t ObjectIndex::Find(std::string_view key) {
  const size_t size = object_.size();
  if (next_ < size && object_.members()[next_].key == key) return next_++;
  const size_t position =
      size <= kScanMax || ++scans_ <= kScansBeforeHash ? Scan(key) : Lookup(key);
  if (position != kNotFound) next_ = position + 1;
  return position;
}

size_t ObjectIndex::Scan(std::string_view key) const {
  for (size_t i = 0; i < object_.size(); ++i) {
    if (object_.members()[i].key == key) return i;
  }
  return kNotFound;
}

size_t ObjectIndex::Lookup(std::string_view key) {
  if (positions_.empty()) {
    positions_.reserve(object_.size());
    for (size_t i = 0; i < object_.size(); ++i) positions_.emplace(object_.members()[i].key, i);
  }
  const auto found = positions_.find(key);
  return found == positions_.end() ? kNotFound : found->second;
}

}  // namespace homeport::json
