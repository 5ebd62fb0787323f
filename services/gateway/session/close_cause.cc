#include "services/gateway/session/close_cause.h"

#include <utility>

#include "libs/mqtt/encode.h"
#include "services/gateway/session/encode_to_fit.h"

namespace homeport::gateway {

std::string GoodbyeOf(const Session& session, const CloseCause& cause,
                      const std::string& server_reference) {
  const bool speaks_v5 = session.version == mqtt::Version::k5 && session.phase == Phase::kOnline;
  if (!speaks_v5 || cause.reason == mqtt::ReasonCode::kSuccess) return {};
  mqtt::Disconnect goodbye;
  goodbye.reason = cause.reason;
  if (session.WantsReasons()) goodbye.properties.reason_string = cause.detail;
  if (mqtt::HasServerReference(cause.reason) && !server_reference.empty()) {
    goodbye.properties.server_reference = server_reference;
  }
  return EncodeToFit(session, std::move(goodbye), mqtt::EncodeDisconnect);
}

}  // namespace homeport::gateway
