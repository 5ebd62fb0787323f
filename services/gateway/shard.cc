#include "services/gateway/shard.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kFlushPollMs = 10;
constexpr int64_t kFlushMsMax = 4000;
constexpr int kWatchTickSeconds = 5;

redis::Client::Options RedisOptions(const GatewayConfig& config, std::string_view name) {
  redis::Client::Options options;
  options.address = config.redis;
  options.name = name;
  options.user = config.redis_user;
  options.password = config.redis_password;
  return options;
}

BatchAppender::Options AppendOptions(const GatewayConfig& config, const PodId& pod) {
  BatchAppender::Options options;
  options.pod = pod;
  options.bytes_max = config.uplink_buffer_bytes;
  options.window_ms = config.uplink_window_ms;
  return options;
}

BatchAppender::Options BusOptions(const GatewayConfig& config, const PodId& pod) {
  BatchAppender::Options options = AppendOptions(config, pod);
  options.keep_ms = int64_t{config.bus_keep_s} * 1000;
  options.hash_fields_max = config.retained_messages_max;
  options.hash_bytes_max = config.retained_bytes_max;
  // As long as the sessions of a dead pod may wait for another one.
  constexpr int64_t kLeases = 3;
  if (config.tell_no_subscribers) options.readers_ms = kLeases * config.pod_lease_ms;
  return options;
}

SessionIo::Options IoOptions(const GatewayConfig& config) {
  SessionIo::Options options;
  options.sessions_max = config.sessions_max;
  options.packet_bytes_max = config.packet_bytes_max;
  options.output_bytes_max = config.output_bytes_max;
  options.connect_deadline_s = config.connect_deadline_s;
  options.publishes_per_second = config.publishes_per_second;
  options.bytes_per_second = config.bytes_per_second;
  options.ws_frame_bytes_max = config.ws_frame_bytes_max;
  options.memory_bytes_max = config.memory_bytes_max;
  options.memory_percent_max = config.memory_percent_max;
  options.tls_lag_us_max = int64_t{config.overload_lag_ms} * 1000 / 2;
  options.server_reference = config.server_reference;
  options.lingering = {config.lingering_max, config.linger_bytes_max, config.linger_ms_max};
  options.arrivals.handshakes_max = config.tls_handshakes_max;
  options.arrivals.source_connects_per_second = config.source_connects_per_second;
  options.arrivals.head_bytes_max = config.ws_head_bytes_max;
  options.arrivals.proxy_from = peer::IpSet::Parse(config.proxy_from).value();  // checked before
  return options;
}

}  // namespace

Shard::Shard(const GatewayConfig& config, PodId pod, metrics::Registry& registry,
             metrics::Health& health, Directory& directory)
    : config_(config),
      pod_(std::move(pod)),
      health_(health),
      reactor_(SystemClock()),
      probe_(registry),
      redis_(reactor_, RedisOptions(config, "uplink"),
             [this](bool connected) { OnRedis(connected); }),
      uplink_(reactor_, redis_, probe_, config.partitions, AppendOptions(config, pod_),
              [this](std::span<const OwedAck> acks) { server_.publish().OnAppended(acks); }),
      bus_(
          reactor_, redis_, RedisOptions(config, "bus"), probe_, BusOptions(config, pod_),
          config.bus_partitions, config.bus_cache_bytes,
          [this](std::span<const OwedAck> acks) { server_.publish().OnAppended(acks); },
          [this](uint32_t partition, const BusPlace& place, const SharedMessage& message) {
            server_.pub_sub().OnMessage(partition, place, message);
          },
          [this] { return store_.is_pressed(); }),
      io_(reactor_, probe_, IoOptions(config), *this),
      ownership_(reactor_, redis_, probe_, pod_, config.claim_window_ms),
      outbox_(reactor_, redis_, probe_),
      store_(reactor_, redis_, probe_, pod_),
      receipts_(reactor_, redis_, config.partitions, config.bus_partitions),
      traffic_(reactor_.now(), {config.talkers_max, int64_t{config.traffic_window_s} * 1000}),
      lease_(reactor_, redis_, probe_, {pod_, config.pod_lease_ms},
             [this] {
               Rejoin();
               // A sweep that was under way may have removed again what this one has written.
               reactor_.After(config_.pod_lease_ms, [this] { Rejoin(); });
             }),
      context_{reactor_, config_, pod_,      probe_,    io_,      uplink_, bus_,  ownership_,
               outbox_,  store_,  receipts_, directory, traffic_, ends_,   lease_},
      server_(context_, redis_),
      commands_once_(context_, redis_, server_.commands()),
      session_finder_(redis_),
      session_lists_(server_.session_calls(), session_finder_, config.session_pod_ms),
      watches_(context_),
      adopter_(context_, redis_, server_.keeper(), server_.publish()),
      revocations_(context_),
      fleet_load_(reactor_, redis_, config, pod_, probe_),
      departures_(context_, fleet_load_),
      inbox_(reactor_, RedisOptions(config, "inbox"), probe_, pod_,
             [this](const internal::v1::InboxItem& item) { OnInboxItem(item); }) {
  health_.Expect("redis of " + pod_.str());
}

absl::Status Shard::Listen(const std::string& ticket_keys) {
  HP_RETURN_IF_ERROR(StartTls(ticket_keys));
  HP_RETURN_IF_ERROR(ListenAt(config_.mqtt_listen, {}));
  HP_RETURN_IF_ERROR(ListenAt(config_.mqtts_listen, {.tls = true}));
  HP_RETURN_IF_ERROR(ListenAt(config_.ws_listen, {.websocket = true}));
  return ListenAt(config_.wss_listen, {.tls = true, .websocket = true});
}

absl::Status Shard::StartTls(const std::string& ticket_keys) {
  if (config_.tls_cert.empty()) return absl::OkStatus();
  net::TlsServer::Options options;
  options.compact = config_.tls_compact;
  options.ticket_lifetime_s = config_.tls_ticket_lifetime_s;
  HP_ASSIGN_OR_RETURN(tls_, net::TlsServer::Make(options));
  tls_reload_ = std::make_unique<TlsReload>(
      net::TlsFiles({config_.tls_cert, config_.tls_key, config_.tls_ticket_keys}, ticket_keys),
      *tls_, pod_, probe_);
  HP_RETURN_IF_ERROR(tls_reload_->Start());
  io_.arrivals().set_tls(tls_.get());
  return absl::OkStatus();
}

absl::Status Shard::ListenAt(const std::string& address, Door door) {
  if (address.empty()) return absl::OkStatus();
  listeners_.push_back(std::make_unique<net::Listener>(
      reactor_,
      [this, door](net::Fd fd, const peer::IpEndpoint& source) {
        io_.Accept(std::move(fd), door, source);
      },
      [this] { probe_.Refuse("accept_paused"); }));
  return listeners_.back()->Listen(address);
}

void Shard::StartThread() {
  thread_ = std::thread([this] {
    redis_.Start();
    lease_.Start();
    inbox_.Start();
    bus_.Start();
    adopter_.Start();
    fleet_load_.Start();
    departures_.Start();
    TickIo();
    reactor_.After(1000, [this] { Tick(); });
    reactor_.Run();
    inbox_.Stop();
    bus_.Stop();
    redis_.Stop();
  });
}

void Shard::Every(int64_t period_ms, std::function<void()> task) {
  reactor_.Post([this, period_ms, task = std::move(task)] {
    reactor_.After(period_ms, [this, period_ms, task] {
      task();
      Every(period_ms, task);
    });
  });
}

void Shard::Stop() { reactor_.Stop(); }

void Shard::Join() {
  if (thread_.joinable()) thread_.join();
}

void Shard::OnRedis(bool connected) {
  probe_.redis_connected.Set(connected ? 1 : 0);
  const std::string condition = "redis of " + pod_.str();
  if (!connected) {
    // Those that only read may not notice that it is the server that has gone, or is a replica now.
    reactor_.Defer([this] {
      bus_.Reconnect();
      inbox_.Reconnect();
    });
    return health_.Unmet(condition, "connection lost");
  }
  health_.Met(condition);
  lease_.OnConnected();
  store_.OnConnected();  // before the streams: their next receipts replace what is noted there
  uplink_.OnConnected();
  bus_.OnConnected();
  ownership_.OnConnected();
  store_.ListPod();
}

// Others may have taken this shard for dead: what its life had made in Redis is made again.
void Shard::Rejoin() {
  inbox_.Make(redis_);
  store_.ListPod();
  server_.VerifyOwnership();
}

void Shard::OnInboxItem(const internal::v1::InboxItem& item) {
  using internal::v1::InboxItem;
  switch (item.item_case()) {
    case InboxItem::kDeliver:
      return server_.OnDeliver(item.deliver());
    case InboxItem::kKick:
      return server_.OnKick(item.kick());
    case InboxItem::kKicked:
      return server_.OnKicked(item.kicked());
    case InboxItem::kEnded:
      return server_.lifecycle().Ended(item.ended());
    case InboxItem::kCommand:
      return server_.commands().OnCommand(item.command());
    case InboxItem::kCommandAnswer:
      return server_.commands().OnAnswer(item.command_answer());
    case InboxItem::kSessionCall:
      return server_.session_calls().OnCall(item.session_call());
    case InboxItem::kSessionAnswer:
      return server_.session_calls().OnReply(item.session_answer());
    case InboxItem::kChange:
      return watches_.OnChange(item.change());
    default:
      probe_.inbox_malformed.Increment();
  }
}

void Shard::TickIo() {
  reactor_.After(SessionIo::kTickMs, [this] { TickIo(); });
  io_.Tick();
}

void Shard::Tick() {
  reactor_.After(1000, [this] { Tick(); });
  server_.keeper().Tick();
  server_.lifecycle().Tick();
  traffic_.Tick(reactor_.now());
  if (tls_reload_) tls_reload_->Poll();
  probe_.uplink.buffered_bytes.Set(static_cast<int64_t>(uplink_.buffered_bytes()));
  probe_.bus.buffered_bytes.Set(static_cast<int64_t>(bus_.buffered_bytes()));
  if (++ticks_ % kWatchTickSeconds == 0) watches_.Tick();
}

void Shard::Drain(Pace pace, int64_t ms_max, absl::AnyInvocable<void()> done) {
  reactor_.Post([this, pace, ms_max, done = std::move(done)]() mutable {
    drained_ = std::move(done);
    drain_end_ = reactor_.now() + ms_max;
    for (const auto& listener : listeners_) listener->Close();
    server_.connect().set_draining();
    departures_.Drain(pace, ms_max, [this] { FinishDrain(); });
  });
}

// As long as the drain may take while Redis answers, though it may refuse; for some seconds where
// it does not. What it did not take was not acknowledged; the lease runs out by itself.
bool Shard::MayFlush() {
  if (flush_until_ == MonoMs()) flush_until_ = reactor_.now() + kFlushMsMax;
  return reactor_.now() < (redis_.connected() ? std::max(flush_until_, drain_end_) : flush_until_);
}

// The last DISCONNECTED events, releases and queued messages must reach Redis before the lease
// goes, and then up to where the waiting sessions have been given what was published: whoever
// takes them over reads on there.
void Shard::FinishDrain() {
  const bool is_flushed = uplink_.idle() && bus_.idle() && store_.idle() && ownership_.idle() &&
                          server_.pub_sub().is_level();
  if (!is_flushed && MayFlush()) {
    reactor_.After(kFlushPollMs, [this] { FinishDrain(); });
    return;
  }
  if (is_flushed) {
    store_.WritePlaces(bus_);
  } else {
    log::Warn("drain_not_flushed",
              {{"pod", pod_.str()},
               {"reason", redis_.connected() ? "Redis does not take it" : "Redis is away"},
               {"next", "exits; its waiting sessions are adopted when the lease has run out"}});
  }
  GiveLeaseUp();
}

void Shard::GiveLeaseUp() {
  if (!store_.idle() && MayFlush()) {
    reactor_.After(kFlushPollMs, [this] { GiveLeaseUp(); });
    return;
  }
  lease_.Stop();
  reactor_.After(50, [this] {
    if (drained_) std::exchange(drained_, nullptr)();
  });
}

}  // namespace homeport::gateway
