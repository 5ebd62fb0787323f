#include "libs/shadow/merge.h"

#include <iterator>
#include <utility>
#include <vector>

#include "libs/json/object_index.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::ObjectIndex;
using json::Value;

// A new value beside its times: a copy of the patch without the nulls that mean "remove".
struct Fresh {
  Value state;
  Value times;
};

Fresh MakeFresh(const Value& patch, int64_t now_seconds) {
  const Object* patch_object = patch.IfObject();
  if (patch_object == nullptr) return {patch, now_seconds};
  Object state;
  Object times;
  state.reserve(patch_object->size());
  times.reserve(patch_object->size());
  for (const Member& member : *patch_object) {
    if (member.value.is_null()) continue;
    Fresh fresh = MakeFresh(member.value, now_seconds);
    state.Append(member.key, std::move(fresh.state));
    times.Append(member.key, std::move(fresh.times));
  }
  return {std::move(state), std::move(times)};
}

// Merges one patch into one pair of objects that mirror each other key by key. While it looks keys
// up nothing moves: removed members become null (which no stored member is) and new ones wait;
// Finish() then settles both.
class ObjectMerger {
 public:
  ObjectMerger(Object& state, Object& times, int64_t now_seconds)
      : state_(state), times_(times), index_(state), now_seconds_(now_seconds) {}

  bool Merge(const Object& patch, Object* changes) {
    bool changed = false;
    for (const Member& member : patch) changed |= MergeMember(member, changes);
    Finish();
    return changed;
  }

 private:
  bool MergeMember(const Member& patch, Object* changes) {
    const size_t position = index_.Find(patch.key);
    if (position == ObjectIndex::kNotFound) return Add(patch, changes);
    Value& state = state_.members()[position].value;
    Value& times = times_.members()[position].value;
    if (patch.value.is_null()) return Remove(patch, state, times, changes);
    if (state.is_object() && patch.value.is_object()) return Recurse(patch, state, times, changes);
    return Replace(patch, state, times, changes);
  }

  bool Add(const Member& patch, Object* changes) {
    if (patch.value.is_null()) return false;
    Fresh fresh = MakeFresh(patch.value, now_seconds_);
    if (changes != nullptr) changes->Append(patch.key, fresh.state);
    added_state_.push_back({patch.key, std::move(fresh.state)});
    added_times_.push_back({patch.key, std::move(fresh.times)});
    return true;
  }

  bool Remove(const Member& patch, Value& state, Value& times, Object* changes) {
    state = nullptr;
    times = nullptr;
    removed_ = true;
    if (changes != nullptr) changes->Append(patch.key, nullptr);
    return true;
  }

  bool Recurse(const Member& patch, Value& state, Value& times, Object* changes) const {
    Object inner;
    ObjectMerger merger(*state.IfObject(), *times.IfObject(), now_seconds_);
    const bool changed =
        merger.Merge(*patch.value.IfObject(), changes != nullptr ? &inner : nullptr);
    if (changed && changes != nullptr) changes->Append(patch.key, std::move(inner));
    return changed;
  }

  bool Replace(const Member& patch, Value& state, Value& times, Object* changes) const {
    const bool changed = !(state == patch.value);
    if (!changed && state.type() == patch.value.type()) {
      times = now_seconds_;
      return false;
    }
    Fresh fresh = MakeFresh(patch.value, now_seconds_);
    state = std::move(fresh.state);
    times = std::move(fresh.times);
    if (changed && changes != nullptr) changes->Append(patch.key, state);
    return changed;
  }

  void Finish() {
    Settle(state_.members(), added_state_);
    Settle(times_.members(), added_times_);
  }

  void Settle(std::vector<Member>& members, std::vector<Member>& added) const {
    if (removed_) std::erase_if(members, [](const Member& m) { return m.value.is_null(); });
    members.insert(members.end(), std::make_move_iterator(added.begin()),
                   std::make_move_iterator(added.end()));
  }

  Object& state_;
  Object& times_;
  ObjectIndex index_;
  int64_t now_seconds_;
  bool removed_ = false;
  std::vector<Member> added_state_;
  std::vector<Member> added_times_;
};

bool WouldChangeValue(const Value* state, const Value& patch) {
  if (state == nullptr) return !patch.is_null();
  if (state->is_object() && patch.is_object()) {
    return WouldChange(*state->IfObject(), *patch.IfObject());
  }
  return !(*state == patch);
}

}  // namespace

bool MergeSection(Section& section, const Object& patch, int64_t now_seconds, Object* changes) {
  return ObjectMerger(section.state, section.times, now_seconds).Merge(patch, changes);
}

bool WouldChange(const Object& state, const Object& patch) {
  ObjectIndex index(state);
  for (const Member& member : patch) {
    const size_t position = index.Find(member.key);
    const Value* present =
        position == ObjectIndex::kNotFound ? nullptr : &state.members()[position].value;
    if (WouldChangeValue(present, member.value)) return true;
  }
  return false;
}

}  // namespace homeport::shadow
