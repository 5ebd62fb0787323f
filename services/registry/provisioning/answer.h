#pragma once

#include <string>

#include "homeport/internal/v1/envelope.pb.h"
#include "services/registry/provisioning/queue.h"
#include "services/registry/provisioning/requests.h"

namespace homeport::registry {

// What the session that asked is sent, by its pod's inbox. Pure.
[[nodiscard]] internal::v1::InboxItem AnswerItem(const ProvisionJob& job,
                                                 const ProvisionRequests::Answer& answer);

// "$aws/certificates/create/json/accepted" and the like.
[[nodiscard]] std::string AnswerTopic(const ProvisionJob& job, bool accepted);

}  // namespace homeport::registry
