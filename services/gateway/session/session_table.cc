#include "services/gateway/session/session_table.h"

#include "libs/base/check.h"

namespace homeport::gateway {

Session* SessionTable::Allocate(uint32_t sessions_max) {
  if (free_.empty()) {
    if (slots_ >= sessions_max) return nullptr;
    if (slots_ == chunks_.size() * kChunk) chunks_.push_back(std::make_unique<Session[]>(kChunk));
    At(slots_).index = slots_;
    At(slots_).generation = 1;
    free_.push_back(slots_++);
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  return &At(index);
}

void SessionTable::Free(Session& session) {
  HP_CHECK(!session.transport.is_open());
  const uint32_t index = session.index;
  const uint32_t generation = session.generation + 1;
  session = Session();
  session.index = index;
  session.generation = generation == 0 ? 1 : generation;
  free_.push_back(index);
}

}  // namespace homeport::gateway
