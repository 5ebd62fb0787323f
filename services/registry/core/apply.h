#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/shadow/limits.h"
#include "libs/shadow/loop_detector.h"
#include "services/registry/core/device_state.h"
#include "services/registry/core/downlinks.h"
#include "services/registry/core/effects.h"
#include "services/registry/core/product.h"

namespace homeport::registry {

struct ConsumerLimits {
  shadow::Limits shadow;
  shadow::LoopLimits loops;
  size_t pushes_max = 100;    // deltas told to a session that listens to every named shadow
  size_t sessions_max = 64;   // of one device
  size_t watchers_max = 256;  // pods that watch one device
  int64_t watch_ms = 900'000;
  int64_t event_repeat_ms = 3'600'000;  // how far back a repeated event is looked for
  int64_t presence_grace_ms = 2000;     // a connection that broke off is awaited for so long
  size_t children_max = 1000;           // of one hub
  uint32_t partitions = 64;             // of the deployment
  size_t history_values_max = 256;      // kept of one message
  size_t history_value_bytes_max = 4096;
};

// One uplink message and all it may touch.
struct ApplyContext {
  const internal::v1::UplinkMessage& message;
  std::string_view pod;  // who appended the message
  DeviceState& device;   // with the shadow the message names, if any, loaded
  const ProductSource& products;
  const ConsumerLimits& limits;
  int64_t now_ms;  // Unix time
  Effects& effects;
  Downlinks& downlinks;  // of the device's partition
};

// Applies a message to the device's state: changes it, and notes what is to be written and sent. A
// message that cannot be applied is answered, counted and logged; it never fails. Pure but for log
// lines: no I/O, no clock.
void ApplyMessage(const ApplyContext& context);

// The parts of ApplyMessage, one file each. NoteSession comes first for every message, or NoteChild
// for what came through a hub: false for what is not to be applied.
void NoteSession(const ApplyContext& context);
[[nodiscard]] bool NoteChild(const ApplyContext& context);
void ApplyConnected(const ApplyContext& context);
void ApplyDisconnected(const ApplyContext& context);
void ApplyReport(const ApplyContext& context);
void ApplyEvent(const ApplyContext& context);
void ApplyTelemetry(const ApplyContext& context);
void ApplyShadowGet(const ApplyContext& context);
void ApplyShadowUpdate(const ApplyContext& context);
void ApplyShadowDelete(const ApplyContext& context);
void ApplyShadowListen(const ApplyContext& context);
// A hub listens for a child's shadow; "+": for those of all its children.
void PassListenOn(const ApplyContext& context, std::string_view child);
// The payload of what it tells them; no device id.
inline constexpr std::string_view kHubListens = "#";
// Answers a shadow request whose shadow has no possible name.
void RejectShadowName(const ApplyContext& context);
void ApplyWatch(const ApplyContext& context);
void ApplyUnwatch(const ApplyContext& context);
void ApplyWatchRenew(const ApplyContext& context);
void ApplyTopology(const ApplyContext& context);
void ApplyAttach(const ApplyContext& context);
void ApplyDetach(const ApplyContext& context);
void ApplyHubSession(const ApplyContext& context);
void ApplyChildJoined(const ApplyContext& context);
void ApplyChildLeft(const ApplyContext& context);
void ApplyPresenceCheck(const ApplyContext& context);

// Decides anew whether the device is online, tells its watchers of a change, and sees to it that
// the next one is looked for in time.
enum class TellPresence { kIfChanged, kAlways };
void ReviewPresence(const ApplyContext& context, TellPresence tell = TellPresence::kIfChanged);
// To the device's children: where its main session is now.
void TellChildren(const ApplyContext& context);
void TellChild(const ApplyContext& context, std::string_view child);

// Counts and logs a refusal. `detail` says what was wrong, never what was sent.
void Refuse(const ApplyContext& context, Refusal reason, std::string_view detail);

// When the device says it was (Unix ms): its clock is believed within a day of ours.
[[nodiscard]] int64_t BelievedTime(const ApplyContext& context, std::optional<int64_t> said_ms);

// The product of the device; null: none, or unknown.
[[nodiscard]] const Product* ProductOf(const ApplyContext& context);

// The model that the device runs; null: none, or unknown.
[[nodiscard]] const model::Model* ModelOf(const ApplyContext& context);
// Brings the classic shadow to the version of the model that the device runs, before anything else
// is done with it: values that no longer fit go, the others stay, and those who listen are told.
void SettleModel(const ApplyContext& context);
// The device says that it runs the version with this URN; "" for its product's current one. Whether
// there is such a version: otherwise nothing has changed.
[[nodiscard]] bool NameModel(const ApplyContext& context, std::string_view urn);

// In the place of a shadow's name: every shadow that has one.
inline constexpr std::string_view kEveryNamedShadow = "+";

// Which shadow a message is about: its name, or "" for the classic one and for other messages.
[[nodiscard]] std::string_view ShadowNameOf(const internal::v1::UplinkMessage& message);

}  // namespace homeport::registry
