#include "tests/fuzz/gateway/script_world.h"

#include <openssl/crypto.h>

#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/routing/keys.h"

namespace homeport::testing {
namespace {

// Profile conformance (deploy/local/homestack/pods.py), but for what would depend on the time:
// no rate, no overload, and no session waits for long.
gateway::GatewayConfig ConfigOf(const std::string& folder, const std::string& redis) {
  gateway::GatewayConfig config;
  config.mqtt_listen = folder + "/mqtt.sock";
  config.redis = redis;
  config.anonymous = true;
  config.anonymous_denied_filter = "test/nosubscribe";
  config.keep_alive_s_max = 60;
  config.subscriptions_max = 500;
  config.things_of_session_max = 1000;
  config.topic_bytes_max = 65'535;
  config.topic_levels_max = 256;
  config.user_properties_max = 10'000;
  config.client_id_bytes_max = 65'535;
  config.waiting_messages_max = 50'000;
  config.waiting_bytes_max = 64 << 20;
  config.queue_messages_max = 20'000;
  config.queue_bytes_max = 64 << 20;
  config.output_bytes_max = 16 << 20;
  config.source_connects_per_second = 0;
  config.client_connects_per_second = 0;
  config.flapping_connects = 0;
  config.tenant_messages_per_second = 0;
  config.publishes_per_second = 0;
  config.bytes_per_second = 0;
  config.uplink_window_ms = 0;
  config.claim_window_ms = 0;
  config.overload_lag_ms = 60'000;
  config.session_expiry_s_max = 30;
  return config;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelToNowhere() {
  rpc::ChannelOptions options;
  options.target = "127.0.0.1:1";
  return rpc::MakeChannel(options);
}

}  // namespace

// OpenSSL leaks what the thread that initialises it has, where that ends before the process.
ScriptWorld::ScriptWorld()
    : redis_(PrivateRedis::Keeping::kNothing),
      control_({.address = redis_.address()}),
      config_(ConfigOf(folder_.path(), redis_.address())),
      token_("") {
  HP_CHECK(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1);
  const auto channel = ChannelToNowhere();
  HP_CHECK(channel.ok());
  directory_ = std::make_unique<gateway::Directory>(*channel, token_, SystemClock(),
                                                    gateway::Directory::Options());
  shard_ = std::make_unique<gateway::Shard>(config_, PodId("fuzz"), metrics_, health_, *directory_);
  HP_CHECK(shard_->Listen("").ok());
  shard_->StartThread();
  HP_CHECK(Eventually([this] { return health_.ready(); }));
}

ScriptWorld::~ScriptWorld() {
  shard_->Stop();
  shard_->Join();
}

void ScriptWorld::BreakRedis() {
  HP_CHECK(control_.Call({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}).ok());
}

void ScriptWorld::ForgetRetained() {
  for (uint32_t i = 0; i < config_.bus_partitions; ++i) {
    HP_CHECK(control_.Send({"DEL", routing::RetainedKey(i), routing::RetainedBytesKey(i)}).ok());
  }
  while (control_.outstanding() > 0) HP_CHECK(control_.Receive().ok());
}

// Records of sessions that have ended hold nothing but the epoch of their client ids, which never
// come again; the uplink has no reader.
void ScriptWorld::Sweep() {
  constexpr std::string_view kForget = R"lua(
for _, pattern in ipairs(ARGV) do
  for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('DEL', key) end
end
)lua";
  const auto answer = control_.Call({"EVAL", kForget, "0", "hp:{d:fuzz-*}:sess", "hp:{u:*}:up"});
  HP_CHECK(answer.ok());
}

}  // namespace homeport::testing
