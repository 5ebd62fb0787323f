#include "services/registry/stream/fights.h"

namespace homeport::registry {

void Fights::TakeFrom(DeviceState& device, int64_t now_ms, const shadow::LoopLimits& limits) {
  Take({device.id, std::string()}, device.classic, now_ms, limits);
  TakeNamed(device, now_ms, limits);
}

void Fights::TakeNamed(DeviceState& device, int64_t now_ms, const shadow::LoopLimits& limits) {
  for (auto& [name, shadow] : device.named) Take({device.id, name}, shadow, now_ms, limits);
}

void Fights::Take(Key key, ShadowState& shadow, int64_t now_ms, const shadow::LoopLimits& limits) {
  if (shadow.loops == nullptr || shadow.loops->idle(now_ms, limits)) return;
  if (known_.size() >= shadows_max_) {
    std::erase_if(known_, [&](const auto& known) { return known.second->idle(now_ms, limits); });
  }
  if (known_.size() >= shadows_max_) known_.erase(known_.begin());
  known_[std::move(key)] = std::move(shadow.loops);
}

void Fights::GiveTo(DeviceState& device, const std::string& shadow) {
  const auto found = known_.find(Key{device.id, shadow});
  if (found == known_.end()) return;
  ShadowOf(device, shadow).loops = std::move(found->second);
  known_.erase(found);
}

}  // namespace homeport::registry
