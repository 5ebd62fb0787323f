#include "libs/shadow/delta.h"

#include <utility>

#include "libs/json/object_index.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::ObjectIndex;
using json::Value;

const Value* Find(ObjectIndex& index, const Object& object, const Member& member) {
  const size_t position = index.Find(member.key);
  return position == ObjectIndex::kNotFound ? nullptr : &object.members()[position].value;
}

bool BothObjects(const Value& desired, const Value* reported) {
  return reported != nullptr && desired.is_object() && reported->is_object();
}

bool Satisfied(const Value& desired, const Value* reported) {
  return reported != nullptr && desired == *reported;
}

}  // namespace

bool HasDelta(const Object& desired, const Object& reported) {
  ObjectIndex index(reported);
  for (const Member& member : desired) {
    const Value* present = Find(index, reported, member);
    const bool differs = BothObjects(member.value, present)
                             ? HasDelta(*member.value.IfObject(), *present->IfObject())
                             : !Satisfied(member.value, present);
    if (differs) return true;
  }
  return false;
}

bool HasDelta(const Document& document) {
  return HasDelta(document.desired.state, document.reported.state);
}

Object MakeDelta(const Object& desired, const Object& reported) {
  Object delta;
  ObjectIndex index(reported);
  for (const Member& member : desired) {
    const Value* present = Find(index, reported, member);
    if (BothObjects(member.value, present)) {
      Object inner = MakeDelta(*member.value.IfObject(), *present->IfObject());
      if (!inner.empty()) delta.Append(member.key, std::move(inner));
    } else if (!Satisfied(member.value, present)) {
      delta.Append(member.key, member.value);
    }
  }
  return delta;
}

}  // namespace homeport::shadow
