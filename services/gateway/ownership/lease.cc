#include "services/gateway/ownership/lease.h"

#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/routing/keys.h"

namespace homeport::gateway {

Lease::Lease(net::Reactor& reactor, redis::Client& redis, ShardProbe& probe, Options options,
             absl::AnyInvocable<void()> on_lapsed)
    : reactor_(reactor),
      redis_(redis),
      probe_(probe),
      options_(std::move(options)),
      on_lapsed_(std::move(on_lapsed)) {}

void Lease::Start() {
  Renew();
  timer_ = reactor_.After(options_.lease_ms / 3, [this] { Start(); });
}

void Lease::OnConnected() { Renew(); }

void Lease::Renew() {
  if (stopped_ || !redis_.connected()) return;
  const std::string key = routing::PodKey(options_.pod.str());
  const std::string lease_ms = std::to_string(options_.lease_ms);
  redis_.Send({"SET", key, "1", "PX", lease_ms, "GET"},
              [this, asked = reactor_.now()](const redis::Reply& reply) {
                if (!reply.ok()) {
                  probe_.lease_failures.Increment();
                  return log::Warn("lease_renewal_failed",
                                   {{"pod", options_.pod.str()},
                                    {"reason", reply.lost() ? "connection lost" : reply.error()},
                                    {"next", "again in a third of the lease"}});
                }
                renewed_ = asked;
                if (reply.is_nil() && std::exchange(ever_held_, true)) {
                  lapse_over_ = reactor_.now() + options_.lease_ms;
                  probe_.lease_lapses.Increment();
                  log::Warn("lease_lapsed", {{"pod", options_.pod.str()},
                                             {"next", "verifying the ownership of every session"}});
                  on_lapsed_();
                }
                ever_held_ = true;
              });
}

void Lease::Stop() {
  stopped_ = true;
  reactor_.Cancel(timer_);
  const std::string key = routing::PodKey(options_.pod.str());
  redis_.Send({"DEL", key}, [](const redis::Reply&) {});
}

}  // namespace homeport::gateway
