#include "tests/bench/mqtt_load/session.h"

#include <fmt/format.h>

#include "libs/base/clock.h"
#include "libs/base/log.h"
#include "services/fleet/io/fleet_password.h"
#include "tests/bench/mqtt_load/modes.h"

namespace homeport::bench {

void OpenSession(const Load& load, uint32_t index, uint32_t target, fleet::MqttClient* client,
                 SessionKind kind) {
  constexpr uint32_t kKeptS = 3600;
  const LoadOptions& options = load.options;
  const std::string client_id = ClientId(options, index);
  std::string user = options.user;
  std::string password = options.password;
  if (!options.fleet_key.empty()) {
    user = fleet::FleetUserName(options.product, client_id);
    password = index < load.passwords.size() ? load.passwords[index]
                                             : fleet::FleetPassword(options.fleet_key, user);
  }
  mqtt::Connect connect;
  connect.version = options.mqtt == 5 ? mqtt::Version::k5 : mqtt::Version::k311;
  connect.client_id = client_id;
  connect.keep_alive_s = static_cast<uint16_t>(options.keep_alive_s);
  connect.clean_start = kind == SessionKind::kClean;
  if (kind == SessionKind::kKept) connect.properties.session_expiry_s = kKeptS;
  if (!user.empty()) connect.user_name = user;
  if (!password.empty()) connect.password = password;
  const size_t source = index / load.servers % (load.targets.size() / load.servers);
  client->Open(load.targets[source * load.servers + target % load.servers], load.tls.get(),
               connect);
}

void LossLog::Note(std::string_view client, std::string_view why) {
  constexpr int64_t kIntervalUs = 1'000'000;
  const int64_t now = MonotonicMicros();
  if (now < next_us_) {
    ++unlogged_;
    return;
  }
  log::Warn("session_lost", {{"client", client}, {"why", why}, {"unlogged", unlogged_}});
  next_us_ = now + kIntervalUs;
  unlogged_ = 0;
}

void PollStop(fleet::EventLoop& loop, runtime::StopSignal& stop, std::function<void()> stopped) {
  constexpr int64_t kPollUs = 200'000;
  loop.After(kPollUs, [&loop, &stop, stopped = std::move(stopped)]() mutable {
    if (stop.WaitFor(0)) return stopped();
    PollStop(loop, stop, std::move(stopped));
  });
}

}  // namespace homeport::bench
