#pragma once

#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/postgres/connection.h"
#include "services/registry/backoff.h"
#include "services/registry/provisioning/queue.h"
#include "services/registry/provisioning/requests.h"
#include "services/registry/registry_probe.h"
#include "services/registry/stream_appender.h"

namespace homeport::registry {

// Carries provisioning requests out, one after the other, and answers the session that asked. Also
// removes certificates that were issued and never provisioned. A thread of its own: signing, and an
// authority elsewhere, must not hold the uplink up. A request that a crash takes along is not
// answered; the device asks again.
class Provisioner {
 public:
  struct Options {
    CertificateSigner::Options signer;
    postgres::ConnectOptions postgres;
  };
  // Everything is borrowed.
  struct Parts {
    ProvisionQueue& queue;
    StreamAppender& appender;
    const Clock& clock;
    ServiceProbe& probe;
  };
  Provisioner(Options options, const Parts& parts);
  ~Provisioner();  // as Stop

  void Start();
  void Stop();

 private:
  void Run();
  [[nodiscard]] absl::Status EnsureDatabase();
  void Carry(const ProvisionJob& job);
  [[nodiscard]] ProvisionRequests::Answer AnswerTo(const ProvisionJob& job);
  void Send(const ProvisionJob& job, const ProvisionRequests::Answer& answer);
  void DropPending();

  const Options options_;
  const Parts parts_;
  const CertificateSigner signer_;
  const ProvisionRequests requests_;
  std::unique_ptr<postgres::Connection> postgres_;
  MonoMs drop_at_;
  StopFlag stop_;
  std::thread thread_;
};

}  // namespace homeport::registry
