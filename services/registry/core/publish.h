#pragma once

#include <string>
#include <string_view>

#include "homeport/internal/v1/envelope.pb.h"
#include "services/registry/core/apply.h"

// Ways of sending down what a message led to.
namespace homeport::registry {

// To every session of the device, and to its hub's, that has subscribed to the topic; QoS 1.
void PublishToDevice(const ApplyContext& context, std::string_view topic, std::string_view payload);
// Whether that may reach anybody.
[[nodiscard]] bool HasSessions(const DeviceState& device);
// As PublishToDevice, but not to the client that the message came from; and whether there is
// another.
void PublishToOthers(const ApplyContext& context, std::string_view topic, std::string_view payload);
[[nodiscard]] bool HasOthers(const ApplyContext& context);
// To the session the message came through. Nothing for requests without a session.
void PublishToSender(const ApplyContext& context, std::string_view topic, std::string_view payload);
// To the pods that watch the device. `change` needs device, product, version and online no more.
void TellWatchers(const ApplyContext& context, internal::v1::DeviceChange change);
// To one pod.
void TellWatcher(const ApplyContext& context, std::string_view pod,
                 internal::v1::DeviceChange change);
// To the gRPC caller whose request the message is. REQUIRES: message.correlation() != 0.
void AnswerApi(const ApplyContext& context, internal::v1::ApiAnswer answer);

[[nodiscard]] bool IsWatched(const ApplyContext& context);

// "$aws/things/{device}/shadow[/name/{shadow}]/{rest}"
[[nodiscard]] std::string ShadowTopic(std::string_view device, std::string_view shadow,
                                      std::string_view rest);

}  // namespace homeport::registry
