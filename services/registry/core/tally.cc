#include "services/registry/core/tally.h"

namespace homeport::registry {

std::string_view ToText(Refusal refusal) {
  switch (refusal) {
    case Refusal::kMalformedBatch:
      return "malformed_batch";
    case Refusal::kUnknownKind:
      return "unknown_kind";
    case Refusal::kInvalidDevice:
      return "invalid_device";
    case Refusal::kMalformedPayload:
      return "malformed_payload";
    case Refusal::kModelViolation:
      return "model_violation";
    case Refusal::kUnknownProduct:
      return "unknown_product";
    case Refusal::kUnknownModel:
      return "unknown_model";
    case Refusal::kInvalidName:
      return "invalid_name";
    case Refusal::kShadowRejected:
      return "shadow_rejected";
    case Refusal::kShadowTooLarge:
      return "shadow_too_large";
    case Refusal::kShadowLoop:
      return "shadow_loop";
    case Refusal::kShadowPushes:
      return "shadow_pushes_max";
    case Refusal::kTooManySessions:
      return "too_many_sessions";
    case Refusal::kTooManyWatchers:
      return "too_many_watchers";
    case Refusal::kStorage:
      return "storage";
    case Refusal::kNotChild:
      return "not_child";
    case Refusal::kBlocked:
      return "device_blocked";
    case Refusal::kTooManyChildren:
      return "children_max";
    case Refusal::kTopologyRefused:
      return "topology_refused";
    case Refusal::kHistoryValues:
      return "history_values_max";
    case Refusal::kHistoryValueBytes:
      return "history_value_bytes_max";
    case Refusal::kProvisionQueue:
      return "provision_queue_max";
    case Refusal::kProvisionClient:
      return "provision_client_max";
  }
  return "unknown";
}

}  // namespace homeport::registry
