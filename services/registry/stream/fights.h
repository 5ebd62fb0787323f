#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "services/registry/core/device_state.h"

namespace homeport::registry {

// The loop detectors of shadows whose states are not kept from one transaction to the next: those
// of devices without a row. Bounded; forgets those that are quiet first. One worker's, no locks.
class Fights {
 public:
  explicit Fights(size_t shadows_max = 4096) : shadows_max_(shadows_max) {}

  // Takes what a state knows that is about to be dropped; what its named shadows do.
  void TakeFrom(DeviceState& device, int64_t now_ms, const shadow::LoopLimits& limits);
  void TakeNamed(DeviceState& device, int64_t now_ms, const shadow::LoopLimits& limits);
  // Gives a loaded shadow's state what was known.
  void GiveTo(DeviceState& device, const std::string& shadow);

 private:
  using Key = std::pair<std::string, std::string>;  // device, shadow
  void Take(Key key, ShadowState& shadow, int64_t now_ms, const shadow::LoopLimits& limits);

  const size_t shadows_max_;
  std::map<Key, std::unique_ptr<shadow::LoopDetector>> known_;
};

}  // namespace homeport::registry
