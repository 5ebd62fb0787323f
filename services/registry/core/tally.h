#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace homeport::registry {

// Why a message, or a part of it, was not applied.
enum class Refusal : uint8_t {
  kMalformedBatch,
  kUnknownKind,
  kInvalidDevice,
  kMalformedPayload,
  kModelViolation,
  kUnknownProduct,
  kUnknownModel,
  kInvalidName,
  kShadowRejected,
  kShadowTooLarge,
  kShadowLoop,
  kShadowPushes,
  kTooManySessions,
  kTooManyWatchers,
  kStorage,
  kNotChild,
  kBlocked,
  kTooManyChildren,
  kTopologyRefused,
  kHistoryValues,
  kHistoryValueBytes,
  kProvisionQueue,
  kProvisionClient,
};
inline constexpr size_t kRefusals = 23;
[[nodiscard]] std::string_view ToText(Refusal refusal);

inline constexpr size_t kMessageKinds = 22;  // UplinkMessage::Kind, 0 = unknown

// Counts of one transaction, added to the metrics only when it is committed.
struct Tally {
  std::array<uint64_t, kMessageKinds> messages{};
  std::array<uint64_t, kRefusals> refusals{};
  uint64_t versions = 0;           // shadow versions made
  uint64_t unchanged = 0;          // updates that changed nothing and made no version
  uint64_t coalesced = 0;          // reported values kept as history that were the same as before
  uint64_t shadow_loops = 0;       // fights over a leaf that have used up their rounds
  uint64_t migrations = 0;         // shadows brought to another version of their model
  uint64_t values_lost = 0;        // values that did not fit there
  uint64_t duplicate_batches = 0;  // (pod, sequence) already committed
  uint64_t duplicate_reports = 0;  // DUP with an id already applied
  uint64_t duplicate_events = 0;   // DUP, and stored before
  uint64_t stale_epochs = 0;       // presence news older than what is known
  uint64_t overtaken = 0;          // messages of a session that a newer one had replaced
  uint64_t went_online = 0;        // changes of presence, as told
  uint64_t went_offline = 0;
  uint64_t fell_silent = 0;  // of those: children that their hub heard nothing of
  uint64_t flaps = 0;        // connections that broke off and were back in time

  void Refuse(Refusal refusal) { ++refusals[static_cast<size_t>(refusal)]; }
};

}  // namespace homeport::registry
