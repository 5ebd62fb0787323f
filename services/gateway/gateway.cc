#include "services/gateway/gateway.h"

#include <sched.h>

#include <fstream>
#include <set>
#include <utility>

#include "absl/synchronization/blocking_counter.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/channel.h"
#include "services/gateway/session/memory_watch.h"

namespace homeport::gateway {
namespace {

constexpr int64_t kHeartbeatMs = 15'000;
constexpr int64_t kControlStopMs = 2000;
constexpr int64_t kFeedTimeoutMs = 2000;
constexpr int kProductAttempts = 3;
constexpr int64_t kDirectoryStopMs = 10'000;

// The CPUs this process may use: its affinity, less where its cgroup has a quota (cpu.max).
uint32_t Cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  int64_t period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) {
    return static_cast<uint32_t>(affinity);
  }
  const int64_t whole = std::max<int64_t>((std::stoll(quota) + period - 1) / period, 1);
  return static_cast<uint32_t>(std::min<int64_t>(whole, affinity));
}

}  // namespace

Gateway::Gateway(const GatewayConfig& config, PodId pod)
    : config_(config),
      pod_(std::move(pod)),
      control_probe_(metrics_),
      token_(config.service_token_file) {
  health_.Expect("serving");
}

void Gateway::AddTo(runtime::Lifecycle& lifecycle) {
  lifecycle.Add({"metrics", [this] { return StartMetrics(); }, [this] { exposer_.reset(); }});
  lifecycle.Add({"directory", [this] { return StartDirectory(); }, [this] { directory_->Finish(); },
                 kDirectoryStopMs});
  lifecycle.Add({"shards", [this] { return StartShards(); }, [this] { EndShards(); }});
  // Stops before the shards, whose sessions it ends, and behind their drain: who is revoked while a
  // pod drains goes at once.
  lifecycle.Add({"directory feed", [this] { return StartFeed(); }, [this] { feed_->Stop(); },
                 2 * kFeedTimeoutMs});
  lifecycle.Add({"sessions", [] { return absl::OkStatus(); }, [this] { DrainShards(); },
                 config_.drain_ms_max + 5000});
  lifecycle.Add({"control", [this] { return StartControl(); }, [this] { StopControl(); },
                 kControlStopMs + 3000});
  lifecycle.Add({"readiness",
                 [this] {
                   health_.Met("serving");
                   return absl::OkStatus();
                 },
                 [this] {
                   health_.Unmet("serving", "draining");
                   server_->SetNotServing();
                 }});
}

absl::Status Gateway::StartMetrics() {
  metrics::AddProcessMetrics(metrics_);
  const MemoryWatch memory(config_.memory_bytes_max, config_.memory_percent_max);
  metrics_.AddGaugeFunction("homeport_gateway_memory_bytes_max",
                            "Resident memory above which new connections are refused; 0: no limit",
                            {},
                            [bytes = memory.bytes_max()] { return static_cast<double>(bytes); });
  metrics_.AddGaugeFunction("homeport_gateway_stuck_loops",
                            "Reactors that stand still: /livez names them", {},
                            [this] { return static_cast<double>(health_.stuck_loops()); });
  HP_ASSIGN_OR_RETURN(exposer_, metrics::Exposer::Start(config_.metrics_listen, metrics_, health_));
  return absl::OkStatus();
}

absl::Status Gateway::StartDirectory() {
  HP_ASSIGN_OR_RETURN(tokens_, auth::JwksFile::Open(config_.jwks_file, {config_.token_issuer}));
  metrics_.AddCounterFunction("homeport_gateway_jwks_reload_failures_total",
                              "Times jwks-file would not do: the former keys stay in use", {},
                              [this] { return static_cast<double>(tokens_->reload_failures()); });
  auth_ = std::make_unique<rpc::CallAuth>(*tokens_, SystemClock());
  HP_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({config_.registry_grpc, config_.registry_ca, ""}));
  Directory::Options options;
  options.ttl_ms = int64_t{config_.directory_ttl_s} * 1000;
  options.negative_ttl_ms = int64_t{config_.directory_negative_ttl_s} * 1000;
  options.entries_max = config_.directory_entries_max;
  directory_ = std::make_unique<Directory>(std::move(channel), token_, SystemClock(), options);
  metrics_.AddCounterFunction(
      "homeport_gateway_directory_failures_total",
      "Questions of who a client is that the registry did not answer, or not usably", {},
      [this] { return static_cast<double>(directory_->failures()); });
  return absl::OkStatus();
}

absl::Status Gateway::StartShards() {
  const std::string ticket_keys = net::TicketKeys::RandomLine();
  const uint32_t count = config_.reactors != 0 ? config_.reactors : Cpus();
  for (uint32_t i = 0; i < count; ++i) {
    metrics_.StartShard();
    const PodId pod(count == 1 ? pod_.str() : fmt::format("{}.{}", pod_.str(), i));
    shards_.push_back(std::make_unique<Shard>(config_, pod, metrics_, health_, *directory_));
    Shard& shard = *shards_.back();
    HP_RETURN_IF_ERROR(shard.Listen(ticket_keys));
    metrics_.AddGaugeFunction("homeport_gateway_reactor_lag_seconds",
                              "Average recent time an iteration keeps from the sockets",
                              {{"reactor", std::to_string(i)}},
                              [&shard] { return static_cast<double>(shard.lag_us()) * 1e-6; });
  }
  metrics_.AddGaugeFunction(
      "homeport_gateway_tls_certificate_expires_seconds",
      "When the certificate of the listeners ends, in Unix time; 0: no TLS", {},
      [this] { return static_cast<double>(shards_.front()->certificate_ends_s()); });
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->StartThread();
    health_.WatchLoop(fmt::format("reactor {}", i), shards_[i]->heartbeat(),
                      config_.loop_stuck_ms_max, SystemClock());
  }
  return absl::OkStatus();
}

absl::Status Gateway::StartFeed() {
  HP_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({config_.registry_grpc, config_.registry_ca, ""}));
  DirectoryFeed::Handler handler;
  handler.on_changes = [this](const std::vector<DirectoryChange>& changes) { OnChanges(changes); };
  handler.on_reset = [this](bool is_first) { OnFeedReset(is_first); };
  feed_ = std::make_unique<DirectoryFeed>(
      std::move(channel), token_, SystemClock(),
      DirectoryFeed::Options{config_.directory_poll_ms, kFeedTimeoutMs}, std::move(handler));
  metrics_.AddGaugeFunction("homeport_gateway_directory_feed_age_seconds",
                            "Since the registry was last asked for what was revoked", {},
                            [this] { return static_cast<double>(feed_->age_ms()) * 1e-3; });
  return absl::OkStatus();
}

// Nobody is connected yet at the first.
void Gateway::OnFeedReset(bool is_first) {
  directory_->ForgetAll();
  if (is_first) return;
  log::Warn("directory_feed_reset",
            {{"reason", "what was revoked meanwhile is not known"},
             {"next", "sessions end at drain-per-second: their clients prove anew who they are"}});
  const Pace pace = PaceOf(config_.drain_per_second, static_cast<uint32_t>(shards_.size()));
  for (const auto& shard : shards_) {
    shard->Post([&shard, pace] { shard->departures().Renew(pace); });
  }
}

// A fetch that a change has overtaken is repeated. Where none succeeds, what sessions have goes on.
void Gateway::RefreshProduct(const std::string& name, int attempts) {
  directory_->FetchProduct(
      name, [this, name, attempts](absl::StatusOr<Directory::Product> product) {
        const bool may_pass =
            absl::IsUnavailable(product.status()) || absl::IsAborted(product.status());
        if (may_pass && attempts > 1) {
          return RefreshProduct(name, attempts - 1);
        }
        if (!product.ok()) return;
        for (const auto& shard : shards_) {
          shard->Post([&shard, product = *product] { shard->revocations().Replace(product); });
        }
      });
}

void Gateway::OnChanges(const std::vector<DirectoryChange>& changes) {
  auto revoked = std::make_shared<Revoked>();  // shared by the shards
  std::set<std::string> products;
  for (const DirectoryChange& change : changes) {
    directory_->Forget(change);
    revoked->Add(change);
    if (change.kind() == DirectoryChange::KIND_PRODUCT) products.insert(change.name());
  }
  for (const std::string& product : products) RefreshProduct(product, kProductAttempts);
  if (revoked->empty()) return;
  for (const auto& shard : shards_) {
    shard->Post([&shard, revoked] { shard->revocations().End(revoked); });
  }
}

absl::Status Gateway::StartControl() {
  control_ =
      std::make_unique<ControlService>(shards_, config_, *directory_, *auth_, control_probe_);
  sessions_ =
      std::make_unique<SessionService>(shards_, config_, *directory_, *auth_, control_probe_);
  HP_ASSIGN_OR_RETURN(server_,
                      rpc::Server::Start({config_.grpc_listen, config_.tls_cert, config_.tls_key},
                                         {control_.get(), sessions_.get()}));
  shards_.front()->Every(kHeartbeatMs, [this] { control_->Heartbeat(); });
  return absl::OkStatus();
}

// A call ends by its handler only, so those that wait for a device or a pod are answered first, and
// those that wait for the registry get a little time.
void Gateway::StopControl() {
  for (const auto& shard : shards_) {
    shard->Post([&shard] {
      shard->commands_once().EndAll();
      shard->commands().EndAll();
      shard->session_calls().EndAll();
    });
  }
  Shard& first = *shards_.front();
  first.Post([this, &first] { first.After(kControlStopMs, [this] { directory_->Abandon(); }); });
  server_->Shutdown(kControlStopMs);
}

void Gateway::DrainShards() {
  absl::BlockingCounter left(static_cast<int>(shards_.size()));
  const Pace pace = PaceOf(config_.drain_per_second, static_cast<uint32_t>(shards_.size()));
  for (const auto& shard : shards_) {
    shard->Drain(pace, config_.drain_ms_max, [&left] { left.DecrementCount(); });
  }
  left.Wait();
}

void Gateway::EndShards() {
  health_.ForgetLoops();
  for (const auto& shard : shards_) shard->Stop();
  for (const auto& shard : shards_) shard->Join();
}

}  // namespace homeport::gateway
