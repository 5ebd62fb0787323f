#include "services/registry/app.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/read_file.h"
#include "services/registry/schema.h"
#include "services/registry/store/state_store.h"

namespace homeport::registry {
namespace {

constexpr int64_t kDrainMs = 5000;
constexpr int64_t kDatabaseWaitMs = 30'000;
constexpr size_t kShadowsOfBatch = 64;
constexpr size_t kPagesOfBatch = 8;

postgres::ConnectOptions ConnectOptionsOf(const RegistryConfig& config) {
  return {.conninfo = config.postgres, .application = "homeport-registry"};
}

// The server ends a statement before the client takes it for lost.
postgres::ConnectOptions BoundedOptionsOf(const RegistryConfig& config,
                                          postgres::Watchdog& watchdog) {
  postgres::ConnectOptions options = ConnectOptionsOf(config);
  options.statement_ms_max = config.postgres_answer_ms * 9 / 10;
  options.answer_ms_max = config.postgres_answer_ms;
  options.watchdog = &watchdog;
  return options;
}

postgres::ConnectOptions ApiOptionsOf(const RegistryConfig& config, postgres::Watchdog& watchdog) {
  postgres::ConnectOptions options = BoundedOptionsOf(config, watchdog);
  options.statement_ms_max = config.api_answer_ms * 9 / 10;
  options.answer_ms_max = config.api_answer_ms;
  options.connect_s_max = std::max<int64_t>(2, config.api_answer_ms / 1000);
  return options;
}

// For statements that look rows up by key.
postgres::ConnectOptions ReadOptionsOf(const RegistryConfig& config, postgres::Watchdog& watchdog) {
  postgres::ConnectOptions options = ApiOptionsOf(config, watchdog);
  options.settings = kBatchSettings;
  return options;
}

absl::StatusOr<std::vector<absl::StatusOr<FoundDevices>>> SearchEach(
    postgres::Connection& connection, const std::vector<DeviceSearch>& searches) {
  std::vector<absl::StatusOr<FoundDevices>> found;
  for (const DeviceSearch& search : searches) {
    HP_ASSIGN_OR_RETURN(found.emplace_back(), SearchDevices(connection, search));
  }
  return found;
}

redis_blocking::ClientOptions RedisOptionsOf(const RegistryConfig& config) {
  redis_blocking::ClientOptions options;
  options.address = config.redis;
  options.user = config.redis_user;
  options.password = config.redis_password;
  return options;
}

CertificateSigner::Options SignerOptionsOf(const RegistryConfig& config,
                                           const std::optional<auth::SealedBox>& sealing) {
  return {.box = sealing, .command = config.ca_sign_command, .days = config.certificate_days};
}

ApiParts PartsOf(const rpc::CallAuth& auth, postgres::Pool& pool, ServiceProbe& probe) {
  return {auth, pool, probe};
}

Freshness FreshnessOf(const RegistryConfig& config) {
  return {.partitions = config.partitions, .stale_ms = config.presence_stale_ms};
}

// A migration takes as long as it takes, and so may another pod's that is awaited.
postgres::ConnectOptions MigrationOptionsOf(const RegistryConfig& config) {
  postgres::ConnectOptions options = ConnectOptionsOf(config);
  options.statement_ms_max = 0;
  return options;
}

absl::StatusOr<std::unique_ptr<postgres::Connection>> WaitForDatabase(
    const RegistryConfig& config) {
  const MonoMs deadline = SystemClock().Now() + kDatabaseWaitMs;
  Backoff backoff;
  for (;;) {
    auto connection = postgres::Connection::Open(MigrationOptionsOf(config));
    if (!absl::IsUnavailable(connection.status()) || SystemClock().Now() > deadline) {
      return connection;
    }
    log::Warn("database_awaited", {{"error", connection.status()}});
    absl::SleepFor(absl::Milliseconds(backoff.NextMs()));
  }
}

}  // namespace

absl::Status PrepareDatabase(const RegistryConfig& config) {
  HP_ASSIGN_OR_RETURN(const std::unique_ptr<postgres::Connection> connection,
                      WaitForDatabase(config));
  HP_RETURN_IF_ERROR(postgres::Migrate(*connection, Migrations()));
  return PartitionTable::Ensure(*connection, config.partitions);
}

absl::StatusOr<std::optional<auth::SealedBox>> ReadSealing(const RegistryConfig& config) {
  if (config.ca_key_file.empty()) return std::optional<auth::SealedBox>();
  HP_ASSIGN_OR_RETURN(const std::string hex, rpc::ReadFile(config.ca_key_file));
  absl::StatusOr<auth::SealedBox> box = auth::SealedBox::FromHex(hex);
  if (box.ok()) return std::optional(*std::move(box));
  return absl::InvalidArgumentError(
      fmt::format("ca-key-file {}: {}", config.ca_key_file, Message(box.status())));
}

App::App(const RegistryConfig& config, const PodId& pod, auth::JwksFile& tokens,
         const std::optional<auth::SealedBox>& sealing)
    : config_(config),
      pod_(pod),
      clock_(SystemClock()),
      probe_(metrics_),
      catalog_probe_(metrics_),
      pool_(
          {.connect = ApiOptionsOf(config, watchdog_), .connections_max = config.api_connections}),
      page_lane_({.connect = ReadOptionsOf(config, watchdog_),
                  .threads = config.api_read_threads,
                  .waiting_max = config.api_reads_waiting_max}),
      search_lane_({.connect = ApiOptionsOf(config, watchdog_),
                    .threads = config.api_read_threads,
                    .waiting_max = config.api_reads_waiting_max}),
      shadow_reads_(page_lane_,
                    {.batch_max = kShadowsOfBatch, .waiting_max = config.api_reads_waiting_max},
                    FindDeviceShadows),
      page_reads_(page_lane_,
                  {.batch_max = kPagesOfBatch, .waiting_max = config.api_reads_waiting_max},
                  FindDevicePages),
      search_reads_(search_lane_, {.batch_max = 1, .waiting_max = config.api_reads_waiting_max},
                    SearchEach),
      tokens_(tokens),
      auth_(tokens, clock_),
      catalog_(clock_),
      appender_(pod.str(), config.partitions, RedisOptionsOf(config), probe_),
      inbox_({.pod = pod.str(), .lease_ms = config.pod_lease_ms, .redis = RedisOptionsOf(config)},
             answers_, clock_, probe_),
      membership_({.pod = pod.str(),
                   .partitions = config.partitions,
                   .lease_ms = config.partition_lease_ms,
                   .postgres = BoundedOptionsOf(config, watchdog_)},
                  probe_),
      sweeper_({.lease_ms = config.pod_lease_ms,
                .postgres = BoundedOptionsOf(config, watchdog_),
                .redis = RedisOptionsOf(config)},
               clock_, probe_),
      history_({.days_ahead = config.history_days_ahead,
                .days_kept = config.history_days_kept,
                .postgres = BoundedOptionsOf(config, watchdog_)},
               clock_, probe_),
      operation_runner_({.pod = pod.str(),
                         .limits = {.export_devices_max = config.export_devices_max},
                         .postgres = BoundedOptionsOf(config, watchdog_)},
                        probe_, catalog_probe_),
      janitor_({.partitions = config.partitions,
                .request_answer_hours = config.request_answer_hours,
                .audit_days = config.audit_days_kept,
                .operation_days = config.operation_days_kept,
                .postgres = BoundedOptionsOf(config, watchdog_)},
               appender_, probe_, catalog_probe_),
      provisions_(
          {.jobs_max = config.provision_queue_max, .client_jobs_max = config.provision_client_max}),
      signer_(SignerOptionsOf(config, sealing)),
      provisioner_({.signer = SignerOptionsOf(config, sealing),
                    .postgres = BoundedOptionsOf(config, watchdog_)},
                   {.queue = provisions_, .appender = appender_, .clock = clock_, .probe = probe_}),
      products_(PartsOf(auth_, pool_, probe_), {.versions_max = config.model_versions_max,
                                                .history_days_max = config.history_days_kept}),
      models_(PartsOf(auth_, pool_, probe_), config.model_versions_max, FreshnessOf(config)),
      devices_(PartsOf(auth_, pool_, probe_), {page_reads_, search_reads_}, appender_,
               {.partitions = config.partitions,
                .purge_days = config.device_purge_days,
                .exports_unfinished_max = config.exports_unfinished_max,
                .export_devices_max = config.export_devices_max},
               FreshnessOf(config)),
      shadows_(PartsOf(auth_, pool_, probe_), shadow_reads_, appender_, answers_,
               FreshnessOf(config), config.anonymous_tenant),
      tenants_(PartsOf(auth_, pool_, probe_)),
      audit_(PartsOf(auth_, pool_, probe_)),
      operations_(PartsOf(auth_, pool_, probe_)),
      directory_(PartsOf(auth_, pool_, probe_), clock_, FreshnessOf(config)),
      credentials_(PartsOf(auth_, pool_, probe_), clock_),
      provisioning_(PartsOf(auth_, pool_, probe_), signer_, clock_),
      past_(PartsOf(auth_, pool_, probe_)),
      topology_(PartsOf(auth_, pool_, probe_), appender_, answers_),
      presence_(PartsOf(auth_, pool_, probe_), FreshnessOf(config)) {
  for (uint32_t worker = 0; worker < config.workers; ++worker) {
    metrics_.StartShard();
    workers_.push_back(
        std::make_unique<Worker>(OptionsOf(worker), Worker::Parts{.clock = clock_,
                                                                  .metrics = metrics_,
                                                                  .catalog = catalog_,
                                                                  .wanted = membership_.wanted(),
                                                                  .dead_pods = sweeper_.dead_pods(),
                                                                  .provisions = &provisions_}));
  }
  metrics::AddProcessMetrics(metrics_);
  metrics_.AddCounterFunction("homeport_registry_jwks_reload_failures_total",
                              "Times jwks-file would not do: the former keys stay in use", {},
                              [this] { return static_cast<double>(tokens_.reload_failures()); });
  metrics_.AddGaugeFunction("homeport_registry_stuck_loops",
                            "Workers that stand still: /livez names them", {},
                            [this] { return static_cast<double>(health_.stuck_loops()); });
  probe_.Partitions(config.partitions);
  health_.Expect("start");
  AddBackground();
  AddServers();
}

WorkerOptions App::OptionsOf(uint32_t worker) {
  WorkerOptions options;
  options.pod = pod_.str();
  options.index = worker;
  options.workers = config_.workers;
  options.partitions = config_.partitions;
  options.lease_ms = config_.partition_lease_ms;
  options.pod_lease_ms = config_.pod_lease_ms;
  options.commit_interval_ms = config_.commit_interval_ms;
  options.devices_max = config_.cached_devices / config_.workers;
  options.batch.messages_max = config_.transaction_messages;
  options.consumer.event_repeat_ms = config_.event_repeat_ms;
  options.consumer.history_values_max = config_.history_values_max;
  options.consumer.history_value_bytes_max = config_.history_value_bytes_max;
  options.consumer.presence_grace_ms = config_.presence_grace_ms;
  options.consumer.children_max = config_.hub_children_max;
  options.consumer.partitions = config_.partitions;
  options.consumer.sessions_max = config_.device_clients_max;
  options.consumer.shadow.bytes_max = config_.shadow_bytes_max;
  options.consumer.shadow.depth_max = static_cast<int>(config_.shadow_depth_max);
  options.consumer.loops.rounds_max = config_.shadow_loop_rounds;
  options.consumer.loops.window_ms = config_.shadow_loop_window_ms;
  options.postgres = BoundedOptionsOf(config_, watchdog_);
  options.redis = RedisOptionsOf(config_);
  return options;
}

void App::AddBackground() {
  lifecycle_.Add({.name = "metrics",
                  .start = [this]() -> absl::Status {
                    HP_ASSIGN_OR_RETURN(exposer_, metrics::Exposer::Start(config_.metrics_listen,
                                                                          metrics_, health_));
                    return absl::OkStatus();
                  },
                  .stop = [this] { exposer_.reset(); }});
  const auto add = [this](const char* name, auto& part) {
    lifecycle_.Add({.name = name,
                    .start =
                        [&part] {
                          part.Start();
                          return absl::OkStatus();
                        },
                    .stop = [&part] { part.Stop(); },
                    .stop_ms_max = 2 * kDrainMs + config_.postgres_answer_ms});
  };
  add("reads", page_lane_);
  add("searches", search_lane_);
  add("inbox", inbox_);
  add("membership", membership_);
  add("sweeper", sweeper_);
  add("history", history_);
  add("operations", operation_runner_);
  add("janitor", janitor_);
  add("provisioner", provisioner_);
  for (const std::unique_ptr<Worker>& worker : workers_) add("worker", *worker);
  lifecycle_.Add({.name = "watch",
                  .start =
                      [this] {
                        WatchWorkers();
                        return absl::OkStatus();
                      },
                  .stop = [this] { health_.ForgetLoops(); }});
}

void App::WatchWorkers() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    health_.WatchLoop(fmt::format("worker {}", i), workers_[i]->heartbeat(),
                      config_.loop_stuck_ms_max, clock_);
  }
}

void App::AddServers() {
  lifecycle_.Add({.name = "grpc",
                  .start = [this]() -> absl::Status {
                    HP_ASSIGN_OR_RETURN(
                        server_,
                        rpc::Server::Start({.listen = config_.grpc_listen,
                                            .tls_cert = config_.tls_cert,
                                            .tls_key = config_.tls_key},
                                           {&products_, &models_, &devices_, &shadows_, &tenants_,
                                            &audit_, &operations_, &directory_, &credentials_,
                                            &provisioning_, &past_, &topology_, &presence_}));
                    return absl::OkStatus();
                  },
                  .stop =
                      [this] {
                        server_->SetNotServing();
                        server_->Shutdown(kDrainMs);
                      },
                  .stop_ms_max = 2 * kDrainMs});
}

absl::Status App::Start() {
  HP_RETURN_IF_ERROR(lifecycle_.Start());
  health_.Met("start");
  log::Info("ready", {{"pod", pod_.str()}, {"grpc_port", server_->port()}});
  return absl::OkStatus();
}

void App::Stop() {
  health_.Unmet("start", "stopping");
  lifecycle_.Stop();
}

}  // namespace homeport::registry
