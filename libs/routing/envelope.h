#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Writes uplink batches in the protobuf wire format of proto/homeport/internal/v1/envelope.proto
// (UplinkBatch), without building message objects: a batch is the concatenation of its fields, so
// the gateway appends each message to the batch's bytes as it arrives.
namespace homeport::routing {

// Mirrors UplinkMessage.Kind.
enum class UplinkKind : uint8_t {
  kConnected = 1,
  kDisconnected = 2,
  kProperties = 3,
  kEvent = 4,
  kTelemetry = 5,
  kShadowGet = 6,
  kShadowUpdate = 7,
  kShadowDelete = 8,
  kWatch = 9,
  kUnwatch = 10,
  kWatchRenew = 11,
  kShadowListen = 12,
  kProvision = 13,
  kTopology = 14,
  kReplied = 21,
};

struct Uplink {
  UplinkKind kind = UplinkKind::kProperties;
  std::string_view device;
  uint64_t session = 0;
  uint64_t epoch = 0;
  int64_t received_ms = 0;
  std::string_view detail;
  std::string_view payload;
  bool dup = false;
  uint64_t correlation = 0;
  bool cbor = false;
  std::string_view client;  // empty for the device's main client
  std::string_view hub;     // through whose session a child's message came; empty: its own
  bool once = false;        // QoS 2, of a session that outlives its connection
};

// Appends one `messages` field. Allocates only when `batch` must grow.
void AppendUplink(std::string& batch, const Uplink& message);

// Appends the tag and length of a `messages` field of `size` bytes, which the caller appends next.
void AppendBatchMessage(std::string& batch, size_t size);

// Appends `version`, `pod` and `sequence`; fields may come in any order, so this closes a batch.
void AppendBatchTail(std::string& batch, std::string_view pod, uint64_t sequence);

}  // namespace homeport::routing
