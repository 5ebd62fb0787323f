#include "tests/bench/mqtt_load/load_options.h"

#include <fmt/format.h>

#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/runtime/process.h"
#include "services/fleet/io/fleet_password.h"
#include "tests/bench/mqtt_load/server_usage.h"

namespace homeport::bench {
namespace {

constexpr uint64_t kSpareFiles = 64;

// Each target from each source: targets[source * servers + server].
absl::StatusOr<std::vector<fleet::Endpoint>> FromEach(const std::string& sources,
                                                      const std::vector<fleet::Endpoint>& targets) {
  std::vector<fleet::Endpoint> out;
  for (const std::string& address : std::vector<std::string>(absl::StrSplit(sources, ','))) {
    HP_ASSIGN_OR_RETURN(const fleet::Endpoint source,
                        fleet::ResolveEndpoint(fmt::format("{}:0", address)));
    for (fleet::Endpoint target : targets) {
      target.source = source.address;
      target.source_bytes = source.address_bytes;
      out.push_back(std::move(target));
    }
  }
  return out;
}

void DeclareCommon(LoadOptions* o, config::Table* t) {
  t->Text("target", &o->target,
          {.unit = "host:port, comma list",
           .doc = "Servers; sessions are spread over them",
           .required = true});
  t->Flag("tls", &o->tls, {.doc = "Connect over TLS 1.3"});
  t->Flag("resume", &o->resume,
          {.doc = "With --tls: connect by the last ticket that a server gave"});
  t->Text("ca", &o->ca, {.unit = "PEM file", .doc = "CA of the servers' certificates, for --tls"});
  t->Text("sources", &o->sources,
          {.unit = "comma list",
           .doc = "Addresses to connect from, in turn: each has ports of its own, and Linux is "
                  "slow to find the second half of them. Empty: the system's choice"});
  t->Text("fleet-key", &o->fleet_key,
          {.doc = "Compute each session's password from this key", .secret = true});
  t->Text("product", &o->product, {.doc = "Product of the user names, for --fleet-key"});
  t->Text("user", &o->user, {.doc = "User name of all sessions, without --fleet-key"});
  t->Text("password", &o->password, {.doc = "Password for --user", .secret = true});
  t->Int("mqtt", &o->mqtt, {.min = 4, .max = 5, .unit = "4 or 5", .doc = "4: MQTT 3.1.1"});
  t->Text("client-prefix", &o->client_prefix,
          {.doc = "Client ids are this and a six-digit number", .bytes_max = 100});
  t->Int(
      "keep-alive", &o->keep_alive_s,
      {.max = 65535, .unit = "s", .doc = "Announced, and met by pings where there is no traffic"});
  t->Int("connect-window", &o->connect_window,
         {.min = 1, .max = 20000, .doc = "CONNECTs without answer at a time"});
  t->Text("server-pid", &o->server_pids,
          {.unit = "pid, comma list", .doc = "Servers whose CPU time and memory to measure"});
  t->Text("label", &o->label, {.doc = "Copied into the result"});
}

void DeclareConnections(LoadOptions* o, config::Table* t) {
  t->Int("connections", &o->connections, {.min = 1, .max = 1'000'000, .doc = "Sessions"});
}

void DeclareDuration(LoadOptions* o, config::Table* t) {
  t->Number("seconds", &o->seconds, {.max = 86400, .unit = "s", .doc = "Time measured"});
}

void DeclarePublish(LoadOptions* o, config::Table* t) {
  DeclareConnections(o, t);
  DeclareDuration(o, t);
  t->Number("warm-up", &o->warm_up_s,
            {.max = 3600, .unit = "s", .doc = "Time before, not counted"});
  t->Int("window", &o->window,
         {.min = 1, .max = 10000, .doc = "Publishes in flight in each session"});
  t->Int("batch", &o->batch,
         {.min = 1,
          .max = 10000,
          .doc = "Publishes to write at once: a session waits for this many free places in its "
                 "window (without --rate)"});
  t->Int("pause", &o->pause_us,
         {.max = 10'000,
          .unit = "us",
          .doc = "Sleep between two looks at the sockets: less CPU time for the generator, and as "
                 "much more latency"});
  t->Check([o] {
    return o->batch <= o->window ? absl::OkStatus()
                                 : absl::InvalidArgumentError("--batch exceeds --window");
  });
  t->Number("rate", &o->rate,
            {.unit = "1/s",
             .doc = "Publishes over all sessions; 0: as fast as they are answered. "
                    "Latency then counts from when each was due"});
  t->Int("size", &o->size,
         {.max = 200'000, .unit = "bytes", .doc = "Pad payloads that are JSON objects up to this"});
  t->Text("topic", &o->topic, {.doc = "{id} stands for the client id"});
  t->Text("payload", &o->payload,
          {.doc = "{id}: the client id; {seq}: a number that grows with each publish"});
}

void DeclareIdle(LoadOptions* o, config::Table* t) {
  DeclareConnections(o, t);
  DeclareDuration(o, t);
  t->Int("subscriptions", &o->subscriptions,
         {.max = 5, .doc = "Filters of each session, on its own topics"});
  t->Number("settle", &o->settle_s,
            {.max = 3600, .unit = "s", .doc = "Wait before memory is measured"});
}

void DeclareDeliver(LoadOptions* o, config::Table* t) {
  DeclareDuration(o, t);
  t->Number("warm-up", &o->warm_up_s,
            {.max = 3600, .unit = "s", .doc = "Time before, not counted"});
  t->Int("publishers", &o->publishers,
         {.min = 1, .max = 1'000'000, .doc = "Sessions that publish"});
  t->Int("subscribers", &o->subscribers,
         {.min = 1, .max = 1'000'000, .doc = "Sessions that subscribe"});
  t->Int("topics", &o->topics,
         {.min = 1, .max = 1'000'000, .doc = "Topics, to which both are dealt out in turn"});
  t->Int("qos", &o->qos, {.max = 2, .doc = "Of publishes and subscriptions"});
  t->Int("window", &o->window,
         {.min = 1,
          .max = 10000,
          .doc = "Publishes of each topic that have not come to all its subscribers yet"});
  t->Check([o] {
    return o->topics <= o->publishers && o->topics <= o->subscribers
               ? absl::OkStatus()
               : absl::InvalidArgumentError("--topics exceeds --publishers or --subscribers");
  });
}

void DeclareLedger(LoadOptions* o, config::Table* t) {
  DeclareDuration(o, t);
  t->Int("devices", &o->devices, {.min = 1, .max = 1'000'000, .doc = "Sessions"});
  t->Number("rate", &o->rate, {.unit = "1/s", .doc = "Reports over all devices"});
  t->Int("window", &o->window, {.min = 1, .max = 1000, .doc = "Reports in flight per device"});
  t->Number("drain", &o->drain_s,
            {.max = 3600, .unit = "s", .doc = "Longest wait for the last acknowledgements"});
  t->Int("first-id", &o->first_id, {.doc = "Id of each device's first report"});
  t->Text("csv", &o->csv,
          {.unit = "file", .doc = "device,last_acked_seq,count_sent,resent,unacked per device"});
}

void DeclareTakeover(LoadOptions* o, config::Table* t) {
  DeclareConnections(o, t);
  t->Number("rate", &o->rate, {.min = 1, .unit = "1/s", .doc = "Messages over all clients"});
  t->Number("drain", &o->drain_s,
            {.max = 3600, .unit = "s", .doc = "Longest wait for the last messages"});
  t->Check([o] {
    return o->target.find(',') != std::string::npos
               ? absl::OkStatus()
               : absl::InvalidArgumentError("--target names one server: it takes two");
  });
}

void DeclareChurn(LoadOptions* o, config::Table* t) {
  DeclareConnections(o, t);
  DeclareDuration(o, t);
  t->Text("filter", &o->filter, {.doc = "What sessions subscribe to; {id} stands for the id"});
  t->Text("topic", &o->topic, {.doc = "What sessions publish to; {id} stands for the client id"});
  t->Text("payload", &o->payload, {.doc = "Of each publish; {id} and {seq} as in the topic"});
}

}  // namespace

absl::StatusOr<Mode> ParseMode(std::string_view name) {
  if (name == "publish") return Mode::kPublish;
  if (name == "connect") return Mode::kConnect;
  if (name == "idle") return Mode::kIdle;
  if (name == "deliver") return Mode::kDeliver;
  if (name == "ledger") return Mode::kLedger;
  if (name == "takeover") return Mode::kTakeover;
  if (name == "churn") return Mode::kChurn;
  return absl::InvalidArgumentError(fmt::format("unknown mode \"{}\"", name));
}

void Declare(Mode mode, LoadOptions* options, config::Table* table) {
  DeclareCommon(options, table);
  switch (mode) {
    case Mode::kPublish:
      return DeclarePublish(options, table);
    case Mode::kConnect:
      DeclareConnections(options, table);
      return DeclareDuration(options, table);
    case Mode::kIdle:
      return DeclareIdle(options, table);
    case Mode::kDeliver:
      return DeclareDeliver(options, table);
    case Mode::kLedger:
      options->rate = 100;
      return DeclareLedger(options, table);
    case Mode::kTakeover:
      options->rate = 5000;
      return DeclareTakeover(options, table);
    case Mode::kChurn:
      return DeclareChurn(options, table);
  }
}

std::string ClientId(const LoadOptions& options, uint32_t index) {
  return fmt::format("{}{:06}", options.client_prefix, index);
}

absl::StatusOr<Load> Prepare(const LoadOptions& options) {
  Load load;
  load.options = options;
  HP_ASSIGN_OR_RETURN(load.targets, fleet::ResolveEndpoints(options.target));
  load.servers = load.targets.size();
  if (!options.sources.empty()) {
    HP_ASSIGN_OR_RETURN(load.targets, FromEach(options.sources, load.targets));
  }
  HP_ASSIGN_OR_RETURN(load.server_pids, ParsePids(options.server_pids));
  if (options.tls) {
    HP_ASSIGN_OR_RETURN(
        load.tls,
        fleet::TlsClient::Create(options.ca, options.resume ? fleet::TlsClient::Resumes::kLast
                                                            : fleet::TlsClient::Resumes::kNever));
  }
  if (!options.fleet_key.empty() && options.product.empty()) {
    return absl::InvalidArgumentError("--fleet-key needs --product");
  }
  for (uint32_t i = 0; i < options.connections && !options.fleet_key.empty(); ++i) {
    load.passwords.push_back(fleet::FleetPassword(
        options.fleet_key, fleet::FleetUserName(options.product, ClientId(options, i))));
  }
  HP_ASSIGN_OR_RETURN(const uint64_t files, runtime::RaiseFileLimit());
  const uint64_t sessions =
      std::max({options.connections, options.devices, options.publishers + options.subscribers});
  if (files < sessions + kSpareFiles) {
    return absl::ResourceExhaustedError(
        fmt::format("{} sessions do not fit into {} open files", sessions, files));
  }
  return load;
}

}  // namespace homeport::bench
