#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "libs/mqtt/types.h"
#include "services/gateway/session/session_handle.h"

namespace homeport::gateway {

// Who waits for the PUBACK of a message to a client: few, and most often nobody. Shard's thread
// only.
class PubackWaits {
 public:
  // The PUBACK's code; nothing where the connection ended before it.
  using OnEnd = absl::AnyInvocable<void(std::optional<mqtt::ReasonCode>)>;

  [[nodiscard]] bool empty() const { return waits_.empty(); }
  [[nodiscard]] size_t size() const { return waits_.size(); }

  void Add(SessionHandle session, uint16_t packet_id, OnEnd on_end) {
    waits_.insert_or_assign({session.packed(), packet_id}, std::move(on_end));
  }
  void Acknowledged(SessionHandle session, uint16_t packet_id, mqtt::ReasonCode reason) {
    if (OnEnd on_end = Take(session, packet_id)) on_end(reason);
  }
  void Ended(SessionHandle session) {
    for (auto at = First(session); at != waits_.end() && at->first.first == session.packed();
         at = First(session)) {
      OnEnd on_end = std::move(at->second);
      waits_.erase(at);
      on_end(std::nullopt);
    }
  }
  // Null where nobody waits.
  [[nodiscard]] OnEnd Take(SessionHandle session, uint16_t packet_id) {
    const auto found = waits_.find({session.packed(), packet_id});
    if (found == waits_.end()) return nullptr;
    OnEnd on_end = std::move(found->second);
    waits_.erase(found);
    return on_end;
  }

 private:
  using Waits = std::map<std::pair<uint64_t, uint16_t>, OnEnd>;
  [[nodiscard]] Waits::iterator First(SessionHandle session) {
    return waits_.lower_bound({session.packed(), 0});
  }

  Waits waits_;
};

}  // namespace homeport::gateway
