#include "services/registry/config.h"

#include <algorithm>
#include <string_view>

#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

void DeclareAddresses(RegistryConfig& c, config::Table& table) {
  table.Text("pod-name", &c.pod_name, {.unit = "name", .doc = "Begins the id of this process run"});
  table.Text("grpc-listen", &c.grpc_listen, {.unit = "host:port", .doc = "Serves the gRPC API"});
  table.Text("metrics-listen", &c.metrics_listen,
             {.unit = "host:port", .doc = "Serves /metrics, /livez and /readyz"});
  table.Text("redis", &c.redis, {.unit = "host:port or socket path", .doc = "Redis"});
  table.Text("redis-user", &c.redis_user, {.doc = "of Redis's ACL; empty: its default user"});
  table.Text("redis-password", &c.redis_password,
             {.doc = "What Redis asks for; empty: nothing", .secret = true});
  table.Text("postgres", &c.postgres,
             {.unit = "libpq string", .doc = "PostgreSQL", .required = true, .secret = true});
  table.Check([&c] {
    // Without a port the client would take it for the path of a socket.
    const size_t colon = std::min(c.redis.rfind(':'), c.redis.size());
    const std::string_view port =
        std::string_view(c.redis).substr(std::min(colon + 1, c.redis.size()));
    const bool is_port = !port.empty() && port.find_first_not_of("0123456789") == port.npos;
    if (c.redis.starts_with('/') || is_port) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("redis: \"{}\" is neither host:port nor the path of a socket", c.redis));
  });
}

void DeclareSecurity(RegistryConfig& c, config::Table& table) {
  table.Text("tls-cert", &c.tls_cert,
             {.unit = "PEM file", .doc = "Certificate of the gRPC server"});
  table.Text("tls-key", &c.tls_key, {.unit = "PEM file", .doc = "Its key"});
  table.Flag("insecure", &c.insecure, {.doc = "Allow gRPC without TLS"});
  table.Text("jwks-file", &c.jwks_file,
             {.unit = "JSON file", .doc = "Public keys that sign the tokens of callers"});
  table.Text("token-issuer", &c.token_issuer, {.unit = "text", .doc = "The `iss` of those tokens"});
  table.Text("anonymous-tenant", &c.anonymous_tenant,
             {.unit = "tenant",
              .doc = "whose tokens see the shadows of things that are not registered, as anonymous "
                     "clients of gateways make them; empty: nobody's"});
  table.Check([&c] {
    if (c.migrate_only) return absl::OkStatus();
    if (c.jwks_file.empty()) return absl::InvalidArgumentError("jwks-file is required");
    if (c.tls_cert.empty() != c.tls_key.empty()) {
      return absl::InvalidArgumentError("tls-cert and tls-key go together");
    }
    if (c.tls_cert.empty() && !c.insecure) {
      return absl::InvalidArgumentError("without tls-cert, gRPC needs --insecure");
    }
    return absl::OkStatus();
  });
}

void DeclareConsumption(RegistryConfig& c, config::Table& table) {
  table.Int("partitions", &c.partitions,
            {.min = 1,
             .max = 4096,
             .unit = "count",
             .doc = "Uplink partitions of the deployment; fixed for its life"});
  table.Int("workers", &c.workers,
            {.min = 1, .max = 64, .unit = "threads", .doc = "Threads that consume partitions"});
  table.Int("partition-lease-ms", &c.partition_lease_ms,
            {.min = 1000,
             .max = 60'000,
             .unit = "ms",
             .doc = "A registry pod silent for so long loses its partitions"});
  table.Int("pod-lease-ms", &c.pod_lease_ms,
            {.min = 1000,
             .max = 60'000,
             .unit = "ms",
             .doc = "A pod whose lease is gone for so long is dead: its sessions are ended"});
  table.Int("commit-interval-ms", &c.commit_interval_ms,
            {.min = 0,
             .max = 1000,
             .unit = "ms",
             .doc = "A worker's transactions start no closer together: larger ones cost less"});
  table.Int("transaction-messages", &c.transaction_messages,
            {.min = 1, .max = 20'000, .unit = "messages", .doc = "Most messages in a transaction"});
  table.Int("cached-devices", &c.cached_devices,
            {.min = 100,
             .max = 10'000'000,
             .unit = "devices",
             .doc = "Device states kept in memory, over all workers; 1.1 KB each"});
  table.Int("api-connections", &c.api_connections,
            {.min = 1,
             .max = 100,
             .unit = "connections",
             .doc = "PostgreSQL connections of the gRPC API"});
  table.Int("api-read-threads", &c.api_read_threads,
            {.min = 1,
             .max = 64,
             .unit = "threads",
             .doc = "Threads, each with a connection, that read shadows and pages of lists; as "
                    "many search"});
  table.Int("api-reads-waiting-max", &c.api_reads_waiting_max,
            {.min = 1,
             .max = 100'000,
             .unit = "reads",
             .doc = "Reads that may wait for those threads; more are refused"});
}

void DeclareDatabase(RegistryConfig& c, config::Table& table) {
  table.Int("postgres-answer-ms", &c.postgres_answer_ms,
            {.min = 1000,
             .max = 60'000,
             .unit = "ms",
             .doc = "A PostgreSQL that does not answer a worker for so long is taken for lost"});
  table.Int("loop-stuck-ms-max", &c.loop_stuck_ms_max,
            {.min = 1000,
             .max = 600'000,
             .unit = "ms",
             .doc = "A worker that stands still for longer fails /livez"});
  table.Check([&c] {  // what a worker waits for is no reason to start it again
    if (c.loop_stuck_ms_max >= 2 * c.postgres_answer_ms) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "loop-stuck-ms-max must be at least twice postgres-answer-ms");
  });
  table.Int("api-answer-ms", &c.api_answer_ms,
            {.min = 500,
             .max = 60'000,
             .unit = "ms",
             .doc = "The same for the gRPC API: then the call fails with UNAVAILABLE"});
  table.Int("history-days-ahead", &c.history_days_ahead,
            {.min = 1, .max = 30, .unit = "days", .doc = "Daily partitions of history made ahead"});
  table.Int(
      "history-days-kept", &c.history_days_kept,
      {.min = 1,
       .max = 3650,
       .unit = "days",
       .doc = "History older than so many whole days (UTC) is dropped; products may keep theirs "
              "for less"});
  table.Int("history-values-max", &c.history_values_max,
            {.min = 1,
             .max = 10'000,
             .doc = "Values of properties that are kept as history of one message"});
  table.Int("history-value-bytes-max", &c.history_value_bytes_max,
            {.min = 16,
             .max = 65'536,
             .unit = "bytes",
             .doc = "A value of a property longer than that, as JSON, is not kept as history"});
  table.Int("event-repeat-ms", &c.event_repeat_ms,
            {.min = 1000,
             .max = 86'400'000,
             .unit = "ms",
             .doc = "An event sent again (DUP) within so long of the first is stored once"});
}

void DeclarePresence(RegistryConfig& c, config::Table& table) {
  table.Int("presence-grace-ms", &c.presence_grace_ms,
            {.min = 0,
             .max = 600'000,
             .unit = "ms",
             .doc = "A device whose connection broke off, without a DISCONNECT of its own, stays "
                    "online for so long"});
  table.Int("presence-stale-ms", &c.presence_stale_ms,
            {.min = 1000,
             .max = 600'000,
             .unit = "ms",
             .doc = "Reads say so when the stream of the device was last consumed to its end so "
                    "long ago"});
  table.Int("hub-children-max", &c.hub_children_max,
            {.min = 1, .max = 20'000, .unit = "devices", .doc = "Children of one hub"});
}

void DeclareShadows(RegistryConfig& c, config::Table& table) {
  table.Int("device-clients-max", &c.device_clients_max,
            {.min = 1,
             .max = 10'000,
             .doc = "MQTT clients of one device, or of one thing, that are told of its shadows"});
  table.Int("shadow-bytes-max", &c.shadow_bytes_max,
            {.min = 1024,
             .max = 256 * 1024,
             .unit = "bytes",
             .doc = "Largest desired and reported state of one shadow together, as compact JSON"});
  table.Int(
      "shadow-depth-max", &c.shadow_depth_max,
      {.min = 1, .max = 32, .unit = "levels", .doc = "Deepest nesting inside desired or reported"});
  table.Int(
      "shadow-loop-rounds", &c.shadow_loop_rounds,
      {.min = 0,
       .max = 100'000,
       .unit = "rounds",
       .doc = "Contradictions over a leaf of a shadow within a window, after which its updates "
              "are refused; 0: never"});
  table.Int("shadow-loop-window-ms", &c.shadow_loop_window_ms,
            {.min = 100, .max = 3'600'000, .unit = "ms", .doc = "That window"});
}

void DeclareRetention(RegistryConfig& c, config::Table& table) {
  table.Int("device-purge-days", &c.device_purge_days,
            {.min = 1,
             .max = 3650,
             .unit = "days",
             .doc = "A deleted device can be brought back for so long, then it is purged"});
  table.Int("request-answer-hours", &c.request_answer_hours,
            {.min = 1,
             .max = 24 * 30,
             .unit = "hours",
             .doc = "A request sent again with its request_id gets its first answer for so long"});
  table.Int("audit-days-kept", &c.audit_days_kept,
            {.min = 1, .max = 36'500, .unit = "days", .doc = "Older entries of the audit log go"});
  table.Int("operation-days-kept", &c.operation_days_kept,
            {.min = 1,
             .max = 3650,
             .unit = "days",
             .doc = "Finished operations go, with their reports and what exports hold"});
  table.Int("exports-unfinished-max", &c.exports_unfinished_max,
            {.min = 1,
             .max = 1000,
             .unit = "exports",
             .doc = "Exports of one tenant that are not finished; more are refused"});
  table.Int("export-devices-max", &c.export_devices_max,
            {.min = 1,
             .max = 1'000'000'000,
             .unit = "devices",
             .doc = "Devices held by all exports of one tenant; an export that would hold more "
                    "fails"});
}

void DeclareProvisioning(RegistryConfig& c, config::Table& table) {
  table.Text("ca-key-file", &c.ca_key_file,
             {.unit = "file",
              .doc = "64 hex digits that encrypt the keys of private certificate authorities; the "
                     "same in every pod; empty: there are none"});
  table.Text("ca-sign-command", &c.ca_sign_command,
             {.unit = "program",
              .doc = "signs devices' certificates elsewhere: reads a request (PEM) and writes the "
                     "certificate; its argument is the days to live"});
  table.Int("device-certificate-days", &c.certificate_days,
            {.min = 1, .max = 36'500, .unit = "days", .doc = "Life of devices' certificates"});
  table.Int("provision-queue-max", &c.provision_queue_max,
            {.min = 1,
             .max = 1'000'000,
             .unit = "requests",
             .doc = "Provisioning requests waiting in this pod; more are rejected with 429"});
  table.Int("provision-client-max", &c.provision_client_max,
            {.min = 1,
             .max = 1'000,
             .unit = "requests",
             .doc = "Provisioning requests of one connection that are not answered yet; more are "
                    "rejected with 429"});
}

}  // namespace

void DeclareSettings(RegistryConfig& config, config::Table& table) {
  DeclareAddresses(config, table);
  DeclareSecurity(config, table);
  DeclareConsumption(config, table);
  DeclareDatabase(config, table);
  DeclarePresence(config, table);
  DeclareShadows(config, table);
  table.Int("model-versions-max", &config.model_versions_max,
            {.min = 1,
             .max = 1000,
             .unit = "versions",
             .doc = "Most versions of one product's model; all are in memory where it is used"});
  DeclareRetention(config, table);
  DeclareProvisioning(config, table);
  table.Flag("migrate-only", &config.migrate_only,
             {.doc = "Bring the database's schema up to date and exit"});
}

}  // namespace homeport::registry
