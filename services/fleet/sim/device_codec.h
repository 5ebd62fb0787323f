#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/fleet/sim/device_sim.h"

// The JSON that a device and Homeport exchange (typed topics, and the classic shadow's delta).
// Pure: payloads in, payloads out.
namespace homeport::fleet {

// Which topic a command came on: device/{did}/down/<verb>/{request}.
enum class Verb : uint8_t { kSet, kGet, kAction };

// {"params":[{"siid","piid","value"} ...],"id":<id>,"ts":<wall_ms>}
[[nodiscard]] std::string PropertiesPayload(const DeviceSim& device,
                                            const DeviceSim::Properties& properties, int64_t id,
                                            int64_t wall_ms);

// {"arguments":[{"piid","value"} ...],"ts":<wall_ms>}
[[nodiscard]] std::string EventPayload(const DeviceSim::HappenedEvent& event, int64_t wall_ms);

// Checks a command against the model, does what can be done and returns the reply:
//   set, get  {"code","params":[{"siid","piid","code","value"?} ...]}, each property on its own;
//             the outer code is the first failure's
//   action    {"code","out":[...]}
// A payload that is no such command is answered {"code":-704220043}.
[[nodiscard]] std::string Answer(Verb verb, std::string_view payload, DeviceSim* device);

// Obeys a delta: the payload of shadow/update/delta ("state" is the delta) or of
// shadow/get/accepted ("state.delta"). Returns how many properties it set; what is unknown or does
// not fit is left alone.
size_t ObeyDelta(std::string_view payload, DeviceSim* device);

// What a hub is told of a child that it named (homeport/topology/v1/topology.proto). Code 0 where
// the payload is none.
struct TopologyAnswer {
  std::string device;
  int64_t code = 0;
};
inline constexpr int64_t kAttached = 200;
[[nodiscard]] TopologyAnswer ReadTopologyAnswer(std::string_view payload);

// The code in a message on device/{did}/down/refused; 0 where there is none.
[[nodiscard]] int64_t RefusalCode(std::string_view payload);

}  // namespace homeport::fleet
