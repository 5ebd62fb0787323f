#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// Which topics are a device's own, what each means, and which it may use. Pure functions without
// allocation: every PUBLISH goes through Classify. A device's topics are
//   device/{did}/up/…  device/{did}/down/…  $aws/things/{did}/shadow[/name/{shadow}]/…
// and those of provisioning, where every client has only its own requests and answers:
//   $aws/certificates/create[-from-csr]/…  $aws/provisioning-templates/{template}/provision/…
// REQUIRES everywhere: topics and filters are valid MQTT (libs/mqtt/topic.h), `device` is a valid
// device id. A "$share/<group>/" prefix must be taken off by the caller.
namespace homeport::auth {

enum class TopicClass : uint8_t {
  kUpProperties,
  kUpEvent,      // detail "siid/eiid", both numbers of 1-5 digits
  kUpTelemetry,  // detail = channel
  kUpReply,      // detail = request
  kUpTopology,   // of a hub
  kShadowGet,    // detail = shadow name, empty for the classic shadow; so the two below
  kShadowUpdate,
  kShadowDelete,
  kProvisioning,  // detail "create", "create-from-csr" or "<template>/provision"
  kOwnDown,       // only Homeport publishes here
  kOwnUnknown,    // below the device's prefixes, with no meaning
  kForeign,       // below another device's prefixes
  kReserved,      // another topic that begins with '$'
  kGeneral,       // any other topic
};

struct Topic {
  TopicClass topic_class = TopicClass::kGeneral;
  std::string_view detail = {};  // a view into the topic
  bool cbor = false;             // the topic ends in /cbor
};

[[nodiscard]] Topic Classify(std::string_view topic, std::string_view device);

// Whether the device may publish to a topic of this class as far as its own topics go; kGeneral is
// for the caller's policy.
[[nodiscard]] bool MayPublish(TopicClass topic_class);

// Whether only the shadow service publishes to a topic, whatever thing it names: "update/delta",
// "get/accepted" …
[[nodiscard]] bool IsShadowAnswer(std::string_view topic);

// A hub speaks for its children on their topics: the device that a topic or filter names, which may
// be "+" in a filter. Empty where it names none.
[[nodiscard]] std::string_view DeviceOf(std::string_view topic_or_filter);
// Whether a topic of this class may come for a child through its hub.
[[nodiscard]] bool MayPublishForChild(TopicClass topic_class);
// Whether all that a filter matches is sent to devices, to one or to any: it gives its subscriber
// nothing but what is addressed to it.
[[nodiscard]] bool IsDeviceFilter(std::string_view filter);

enum class FilterClass : uint8_t {
  kOwn,  // matches topics that Homeport sends to this device, and no other device's
  kOwnUnknown,
  kForeign,  // could match another device's topics: "#", "device/+/down/#"
  kReserved,
  kGeneral,
};

[[nodiscard]] FilterClass ClassifyFilter(std::string_view filter, std::string_view device);

// kOwn filters only; kGeneral is for the caller's policy.
[[nodiscard]] bool MaySubscribe(std::string_view filter, std::string_view device);

// Matches answers of provisioning requests only. Each goes to who asked, so every client may.
[[nodiscard]] bool IsProvisioningFilter(std::string_view filter);

// Whose `update/delta` topics a filter of the device's matches.
struct DeltaFilter {
  bool classic = false;
  std::string_view named;  // one shadow's name, a view into the filter; "+": every name; "": none
};
[[nodiscard]] DeltaFilter DeltaTopicsOf(std::string_view filter, std::string_view device);

// What Homeport sends to a device, one bit for each kind, so that a session's subscriptions to its
// own topics are one word. The 11 named-shadow bits stand for every named shadow at once.
using TopicBits = uint32_t;

enum class OwnTopicBit : uint8_t {
  kDownGet,  // device/{did}/down/get/+
  kDownSet,
  kDownAction,
  kDownRefused,  // device/{did}/down/refused
  kDownGetCbor,  // device/{did}/down/get/+/cbor
  kDownSetCbor,
  kDownActionCbor,
  kDownRefusedCbor,
  kDownTopology,  // device/{did}/down/topology
  kShadowGet,     // $aws/things/{did}/shadow/get
  kShadowGetAccepted,
  kShadowGetRejected,
  kShadowUpdate,
  kShadowUpdateAccepted,
  kShadowUpdateRejected,
  kShadowUpdateDelta,
  kShadowUpdateDocuments,
  kShadowDelete,
  kShadowDeleteAccepted,
  kShadowDeleteRejected,
  kNamedShadowGet,  // $aws/things/{did}/shadow/name/+/get, and on in the order above
  kNamedShadowDeleteRejected = kNamedShadowGet + 10,
};
inline constexpr int kOwnTopicBits = static_cast<int>(OwnTopicBit::kNamedShadowDeleteRejected) + 1;

[[nodiscard]] constexpr TopicBits Mask(OwnTopicBit bit) {
  return TopicBits{1} << static_cast<int>(bit);
}

// The bits a filter stands for: all of the topics sent to the device that it matches are exactly
// those of the bits. Nothing where it must be kept as a string: one named shadow, one request, or
// not the device's own.
[[nodiscard]] std::optional<TopicBits> OwnTopicBits(std::string_view filter,
                                                    std::string_view device);

// The bit of a topic on its way to the device, 0 where it has none. A session has subscribed when
// it holds that bit, or a filter kept as a string matches.
[[nodiscard]] TopicBits BitOfTopic(std::string_view topic, std::string_view device);

}  // namespace homeport::auth
