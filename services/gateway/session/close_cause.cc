#include "services/gateway/session/close_cause.h"

#include "libs/mqtt/encode.h"

namespace homeport::gateway {

std::string GoodbyeOf(const Session& session, const CloseCause& cause,
                      const std::string& server_reference) {
  std::string bytes;
  const bool speaks_v5 = session.version == mqtt::Version::k5 && session.phase == Phase::kOnline;
  if (!speaks_v5 || cause.reason == mqtt::ReasonCode::kSuccess) return bytes;
  mqtt::Disconnect goodbye;
  goodbye.reason = cause.reason;
  if (session.WantsReasons()) goodbye.properties.reason_string = cause.detail;
  if (mqtt::HasServerReference(cause.reason) && !server_reference.empty()) {
    goodbye.properties.server_reference = server_reference;
  }
  mqtt::EncodeDisconnect(goodbye, session.version, &bytes);
  if (!session.FitsClient(bytes.size())) {
    bytes.clear();
    goodbye.properties = {};
    mqtt::EncodeDisconnect(goodbye, session.version, &bytes);
  }
  return bytes;
}

}  // namespace homeport::gateway
