#include "libs/shadow/loop_detector.h"

#include <algorithm>

#include "libs/base/hash.h"
#include "libs/json/print.h"

namespace homeport::shadow {
namespace {

using json::Member;
using json::Object;
using json::Value;

uint64_t HashOf(const Value& value) {
  std::string text;
  json::Print(value, text);
  return Hash64(text);
}

// Calls visit(path, value) for everything in `object` that is no object. `path` is reused.
template <typename Visit>
void ForEachLeaf(const Object* object, std::string& path, const Visit& visit) {
  if (object == nullptr) return;
  const size_t length = path.size();
  for (const Member& member : *object) {
    if (length != 0) path.push_back('.');
    path.append(member.key);
    if (const Object* inner = member.value.IfObject()) {
      ForEachLeaf(inner, path, visit);
    } else {
      visit(path, member.value);
    }
    path.resize(length);
  }
}

}  // namespace

const LoopDetector::Leaf* LoopDetector::Find(uint64_t path, int64_t now_ms,
                                             const LoopLimits& limits) const {
  const auto at = std::find_if(leaves_.begin(), leaves_.end(),
                               [path](const Leaf& leaf) { return leaf.path == path; });
  if (at == leaves_.end() || now_ms - at->since_ms >= limits.window_ms) return nullptr;
  return &*at;
}

LoopDetector::Leaf& LoopDetector::Watch(uint64_t path, int64_t now_ms, const LoopLimits& limits) {
  auto at = std::find_if(leaves_.begin(), leaves_.end(),
                         [path](const Leaf& leaf) { return leaf.path == path; });
  if (at != leaves_.end() && now_ms - at->since_ms < limits.window_ms) return *at;
  if (at == leaves_.end() && leaves_.size() < limits.leaves_max) {
    at = leaves_.emplace(leaves_.end());
  } else if (at == leaves_.end()) {
    at = std::min_element(leaves_.begin(), leaves_.end(),
                          [](const Leaf& a, const Leaf& b) { return a.since_ms < b.since_ms; });
  }
  *at = Leaf{};
  at->path = path;
  at->since_ms = now_ms;
  return *at;
}

bool LoopDetector::Blocks(const LoopUpdate& update, const LoopLimits& limits) const {
  if (limits.rounds_max == 0 || leaves_.empty()) return false;
  bool blocks = false;
  std::string path;
  const auto spent = [&](const std::string& leaf) -> const Leaf* {
    const Leaf* known = Find(Hash64(leaf), update.now_ms, limits);
    return known != nullptr && known->rounds >= limits.rounds_max ? known : nullptr;
  };
  ForEachLeaf(update.desired, path, [&](const std::string& leaf, const Value& value) {
    blocks = blocks || (!value.is_null() && spent(leaf) != nullptr);
  });
  // The device may always give in.
  ForEachLeaf(update.reported, path, [&](const std::string& leaf, const Value& value) {
    const Leaf* known = spent(leaf);
    blocks = blocks || (known != nullptr && known->wished[0] != HashOf(value));
  });
  return blocks;
}

std::string LoopDetector::Note(const LoopUpdate& update, const LoopLimits& limits) {
  std::string spent;
  if (limits.rounds_max == 0) return spent;
  std::string path;
  const auto round = [&](const std::string& leaf, Leaf& known) {
    if (++known.rounds == limits.rounds_max) spent = leaf;
  };
  ForEachLeaf(update.desired, path, [&](const std::string& leaf, const Value& value) {
    // A wish withdrawn contradicts nobody: devices do so when they have obeyed.
    if (value.is_null()) return;
    Leaf& known = Watch(Hash64(leaf), update.now_ms, limits);
    const uint64_t hash = HashOf(value);
    const bool is_other = known.writer == 0 || known.wished[0] != hash;
    // Writers who race for ever newer values undo nothing.
    const bool contradicts =
        is_other && known.writer != 0 && known.writer != update.writer &&
        std::find(known.wished.begin() + 1, known.wished.end(), hash) != known.wished.end();
    if (is_other) {
      std::copy_backward(known.wished.begin(), known.wished.end() - 1, known.wished.end());
      known.wished[0] = hash;
      known.writer = update.writer;
    }
    known.wished_again = true;
    if (contradicts) round(leaf, known);
  });
  if (leaves_.empty()) return spent;
  ForEachLeaf(update.reported, path, [&](const std::string& leaf, const Value& value) {
    const uint64_t hash = Hash64(leaf);
    if (Find(hash, update.now_ms, limits) == nullptr) return;
    Leaf& known = Watch(hash, update.now_ms, limits);
    const bool wished =
        std::find(known.wished.begin(), known.wished.end(), HashOf(value)) != known.wished.end();
    if (wished || !known.wished_again || known.writer == update.writer) return;
    known.wished_again = false;
    round(leaf, known);
  });
  return spent;
}

bool LoopDetector::idle(int64_t now_ms, const LoopLimits& limits) const {
  return std::all_of(leaves_.begin(), leaves_.end(),
                     [&](const Leaf& leaf) { return now_ms - leaf.since_ms >= limits.window_ms; });
}

}  // namespace homeport::shadow
