#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "homeport/internal/v1/envelope.pb.h"

namespace homeport::registry {

// One stream entry for a pod's inbox: a serialized InboxBatch. Or one for an uplink partition, an
// UplinkBatch: then `pod` is "@<partition>", which no pod can be called.
struct InboxEntry {
  std::string pod;
  std::string batch;

  [[nodiscard]] std::optional<uint32_t> partition() const;
};

// Above this an entry is closed and the next begun.
inline constexpr size_t kInboxEntryBytes = 128 * 1024;

// What a transaction sends to pods, and to devices of other partitions, in order, grouped into one
// entry per stream. Not thread-safe.
class Downlinks {
 public:
  void Add(std::string_view pod, const internal::v1::InboxItem& item);
  // To the owner of another partition. It may come twice: the message must bear that.
  void AddUplink(uint32_t partition, const internal::v1::UplinkMessage& message);
  // Puts what `other` holds behind what this holds.
  void Append(Downlinks&& other);

  [[nodiscard]] const std::vector<InboxEntry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }

  // To and from `stream_offset.pending`. "" stands for none. kDataLoss for other bytes.
  [[nodiscard]] std::string Encode() const;
  [[nodiscard]] static absl::StatusOr<Downlinks> Decode(std::string_view bytes);

 private:
  template <typename Batch>
  InboxEntry& OpenEntry(std::string_view pod, const Batch& head);

  std::vector<InboxEntry> entries_;
  size_t bytes_ = 0;
};

}  // namespace homeport::registry
