#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "services/gateway/pubsub/pub_sub.h"

namespace homeport::gateway {

// While a session waits for its places in the streams: messages, and their bytes.
inline constexpr size_t kHeldMax = 10'000;
inline constexpr size_t kHeldBytesMax = 4 << 20;

// One subscription on its way: shared by the callbacks of Redis that it waits for.
struct PubSub::Settling {
  SessionHandle session;
  std::string group;
  std::string filter;
  mqtt::Qos qos = mqtt::Qos::kAtMostOnce;
  bool retained = false;
  bool fresh = false;  // there was no such subscription
  uint32_t first_partition = 0;
  uint32_t partitions = 1;
  uint32_t answers = 0;  // partitions that are done
  bool failed = false;
  std::vector<StreamPos> live;  // what is behind these comes with the streams, retained or not
  // Of its retained messages.
  std::string cursor;                   // in the partition `answers`
  size_t step = 0;                      // how many of its entries to look at next
  absl::flat_hash_set<uint64_t> found;  // hashes of topics: a scan may come to one again
  std::vector<OutMessage> ready;  // read, and not given to the client yet: those from `fed` on
  size_t fed = 0;
  MonoMs fed_at;           // when the client took some last
  uint32_t open = 0;       // partitions that are not read up to `live` yet
  bool is_placed = false;  // it no longer waits for those
  OnSettled on_settled;
};

}  // namespace homeport::gateway
