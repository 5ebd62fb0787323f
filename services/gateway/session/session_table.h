#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "services/gateway/session/session.h"

namespace homeport::gateway {

// The slab of a shard's sessions: slots in chunks that are never freed, so addresses are stable and
// an idle session costs its slot. Shard's thread only.
class SessionTable {
 public:
  static constexpr uint32_t kChunk = 256;

  // nullptr when `sessions_max` are in use.
  [[nodiscard]] Session* Allocate(uint32_t sessions_max);
  // Ends the slot's generation: handles to it find nothing from here on.
  void Free(Session& session);

  // nullptr for a stale handle.
  [[nodiscard]] Session* Find(SessionHandle handle) {
    if (handle.index >= slots_) return nullptr;
    Session& session = At(handle.index);
    return session.generation == handle.generation && session.is_open() ? &session : nullptr;
  }
  // Also a session whose client is away.
  [[nodiscard]] Session* FindKept(SessionHandle handle) {
    if (handle.index >= slots_) return nullptr;
    Session& session = At(handle.index);
    const bool is_there = session.is_open() || session.is_away();
    return session.generation == handle.generation && is_there ? &session : nullptr;
  }
  // A slot that is reserved.
  [[nodiscard]] Session* FindReserved(SessionHandle handle) {
    if (handle.index >= slots_) return nullptr;
    Session& slot = At(handle.index);
    const bool is_there = slot.phase == Phase::kReserved;
    return slot.generation == handle.generation && is_there ? &slot : nullptr;
  }
  [[nodiscard]] Session& At(uint32_t index) { return chunks_[index / kChunk][index % kChunk]; }
  // Slots ever used; At(0..slots()-1) may be walked.
  [[nodiscard]] uint32_t slots() const { return slots_; }

 private:
  std::vector<std::unique_ptr<Session[]>> chunks_;
  std::vector<uint32_t> free_;
  uint32_t slots_ = 0;
};

}  // namespace homeport::gateway
