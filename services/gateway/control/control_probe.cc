#include "services/gateway/control/control_probe.h"

#include "libs/base/log.h"
#include "libs/rpc/status_convert.h"

namespace homeport::gateway {

void ControlProbe::Refused(std::string_view method, const grpc::Status& status) {
  const std::string reason = rpc::DetailsOf(status).reason;
  log::Refusal("call_refused",
               {{"method", method}, {"reason", reason}, {"error", status.error_message()}});
  absl::MutexLock lock(&mutex_);
  auto found = refusals_.find(reason);
  if (found == refusals_.end()) {
    metrics::SharedCounter& cell =
        registry_.AddSharedCounter("homeport_gateway_call_refusals_total",
                                   "gRPC calls that failed, by reason", {{"reason", reason}});
    found = refusals_.emplace(reason, &cell).first;
  }
  found->second->Increment();
}

}  // namespace homeport::gateway
