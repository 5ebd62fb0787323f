#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/json/value.h"

namespace homeport::shadow {

// When two writers are taken to fight over a leaf. A round is one contradiction:
//   - reported sets a value that was not wished for lately, after desired was written again, and it
//     is not the wisher who reports: nobody fights alone; or
//   - desired is set back to a value that was wished before, by another writer than who wished the
//     newest.
// A device that follows a slider late, that cannot reach a value, or that is switched by hand makes
// few rounds or none; a loop of a rule and a device makes one for each trip around.
struct LoopLimits {
  uint32_t rounds_max = 30;  // within one window; 0 turns the detector off
  int64_t window_ms = 10'000;
  size_t leaves_max = 16;  // watched at once in one shadow; the longest quiet is forgotten
};

// One update as the detector sees it. Sections that are absent or null are nullptr.
struct LoopUpdate {
  const json::Object* desired = nullptr;
  const json::Object* reported = nullptr;
  uint64_t writer = 0;  // who asks, not 0: two updates of one client have the same
  int64_t now_ms = 0;
};

// Watches the leaves of one shadow for a device and an app that undo each other for ever. Knows a
// leaf from the first time it is desired; forgets it when a window has passed. Value type, no
// locks. What it knows is about the last seconds: losing it costs nothing.
class LoopDetector {
 public:
  // Whether `update` would go on with a fight that has used up its rounds.
  [[nodiscard]] bool Blocks(const LoopUpdate& update, const LoopLimits& limits) const;
  // Counts an update that was applied. The leaf ("a.b") whose rounds it used up; "" for none.
  [[nodiscard]] std::string Note(const LoopUpdate& update, const LoopLimits& limits);

  // Nothing is watched any more at `now_ms`.
  [[nodiscard]] bool idle(int64_t now_ms, const LoopLimits& limits) const;

 private:
  struct Leaf {
    uint64_t path = 0;                    // hash
    std::array<uint64_t, 4> wished = {};  // hashes of the newest desired values, newest first
    uint64_t writer = 0;                  // who first wished the newest; 0: nobody yet
    int64_t since_ms = 0;                 // when the window began
    uint32_t rounds = 0;
    bool wished_again = false;  // desired was written after the last round
  };

  [[nodiscard]] const Leaf* Find(uint64_t path, int64_t now_ms, const LoopLimits& limits) const;
  Leaf& Watch(uint64_t path, int64_t now_ms, const LoopLimits& limits);

  std::vector<Leaf> leaves_;
};

}  // namespace homeport::shadow
