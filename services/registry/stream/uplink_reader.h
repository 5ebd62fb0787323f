#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/core/stream_id.h"

namespace homeport::registry {

// An entry of an uplink stream as it was read.
struct UplinkEntry {
  uint32_t partition = 0;
  StreamId id;
  std::string batch;      // a serialized UplinkBatch
  bool can_wait = false;  // nobody waits for what is in it
};

// Reads the uplink streams of a worker's partitions ahead of its transactions, each in order, into
// one bounded buffer. One thread.
class UplinkReader {
 public:
  // Entries are buffered until they are this many bytes, within one answer of Redis.
  static constexpr size_t kBufferBytes = 2 * 1024 * 1024;

  // Reads `partition` from behind `last_id` on.
  void Follow(uint32_t partition, const StreamId& last_id);
  void Unfollow(uint32_t partition);

  [[nodiscard]] bool WantsMore() const { return buffered_bytes_ < kBufferBytes; }
  [[nodiscard]] bool empty() const { return buffer_.empty(); }
  [[nodiscard]] size_t size() const { return buffer_.size(); }
  // Whether nobody waits for any entry in the buffer.
  [[nodiscard]] bool CanWait() const;

  // Pipelines one XREAD over all partitions; it waits up to `block_ms` when nothing is there, not
  // at all for 0. REQUIRES: some partition is followed.
  [[nodiscard]] absl::Status Send(redis_blocking::Client& client, int64_t block_ms);
  [[nodiscard]] absl::Status Receive(redis_blocking::Client& client);

  // The next entry. REQUIRES: !empty().
  [[nodiscard]] UplinkEntry Take();
  // Undoes Take. Last taken, first put back.
  void PutBack(UplinkEntry entry);

 private:
  struct Asked {
    uint32_t partition;
    std::string key;
  };
  [[nodiscard]] absl::Status ReadStream(redis_blocking::ReplyView stream, size_t& asked);
  void AdaptCount(size_t streams, size_t entries, size_t bytes);

  std::map<uint32_t, StreamId> positions_;  // the last id buffered
  std::vector<Asked> asked_;                // by the XREAD under way, in its order
  std::deque<UplinkEntry> buffer_;
  size_t buffered_bytes_ = 0;
  uint64_t count_ = 32;  // entries asked of each stream
};

}  // namespace homeport::registry
