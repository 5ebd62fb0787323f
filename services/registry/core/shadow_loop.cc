#include "services/registry/core/shadow_loop.h"

#include "libs/base/hash.h"
#include "libs/base/log.h"

namespace homeport::registry {
namespace {

// Who wrote: callers of the API are one writer, each MQTT client is one of its own.
uint64_t WriterOf(const ApplyContext& context) {
  constexpr uint64_t kApi = 1;
  if (context.message.correlation() != 0) return kApi;
  const std::string& client = context.message.client();
  return Hash64(client.empty() ? context.device.id : client) | 2;
}

}  // namespace

bool IsFought(const ApplyContext& context, const ShadowState& shadow, const json::Object* desired,
              const json::Object* reported) {
  if (shadow.loops == nullptr) return false;
  return shadow.loops->Blocks({desired, reported, WriterOf(context), context.message.received_ms()},
                              context.limits.loops);
}

void NoteWrite(const ApplyContext& context, ShadowState& shadow, const json::Object* desired,
               const json::Object* reported) {
  const int64_t now_ms = context.message.received_ms();
  if (shadow.loops != nullptr && shadow.loops->idle(now_ms, context.limits.loops)) {
    shadow.loops.reset();
  }
  if (shadow.loops == nullptr) {
    if (desired == nullptr || desired->empty() || context.limits.loops.rounds_max == 0) return;
    shadow.loops = std::make_unique<shadow::LoopDetector>();
  }
  const std::string leaf =
      shadow.loops->Note({desired, reported, WriterOf(context), now_ms}, context.limits.loops);
  if (leaf.empty()) return;
  ++context.effects.tally.shadow_loops;
  log::Warn("shadow_loop", {{"device", context.device.id},
                            {"shadow", context.message.detail()},
                            {"leaf", leaf},
                            {"next", "updates of the leaf are refused for shadow-loop-window-ms"}});
}

}  // namespace homeport::registry
