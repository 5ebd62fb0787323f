// Measures how fast a running homeport-registry commits property reports. Registers its devices,
// puts a backlog of one-property reports straight into the uplink streams, batched as a gateway
// does, and watches the shadows' versions grow until the backlog is gone.
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/config/table.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"
#include "libs/routing/envelope.h"
#include "libs/routing/keys.h"

namespace homeport::bench {
namespace {

using postgres::Params;
using postgres::Statement;

struct Settings {
  std::string redis;
  std::string postgres;
  std::string product;
  std::string pod;  // of this run, as its sequences begin at 1
  uint32_t partitions = 64;
  uint32_t devices = 4000;
  uint32_t reports = 400'000;
  uint32_t batch = 32;
  bool warm_up = true;
};

void Declare(Settings& s, config::Table& table) {
  table.Text("redis", &s.redis, {.unit = "host:port or path", .doc = "Redis", .required = true});
  table.Text("postgres", &s.postgres,
             {.unit = "libpq string", .doc = "PostgreSQL, to count", .required = true});
  table.Text(
      "product", &s.product,
      {.unit = "id", .doc = "A product whose siid 2, piid 2 takes 0 to 100", .required = true});
  table.Int("partitions", &s.partitions, {.min = 1, .max = 4096, .doc = "As the registry's"});
  table.Int("devices", &s.devices, {.min = 1, .max = 1'000'000, .doc = "Reporting in turn"});
  table.Int("reports", &s.reports, {.min = 1, .max = 100'000'000, .doc = "In the backlog"});
  table.Flag("warm-up", &s.warm_up, {.doc = "Each device has reported once before"});
  table.Int("batch", &s.batch, {.min = 1, .max = 2000, .doc = "Messages in a stream entry"});
}

// Collects messages into one batch for each partition and appends the full ones.
class Feeder {
 public:
  explicit Feeder(const Settings& settings)
      : settings_(settings),
        redis_({.address = settings.redis}),
        open_(settings.partitions),
        last_ids_(settings.partitions, "0-0") {}

  absl::Status Add(const routing::Uplink& message) {
    const uint32_t partition = routing::PartitionOf(message.device, settings_.partitions);
    Batch& batch = open_[partition];
    routing::AppendUplink(batch.bytes, message);
    return ++batch.messages < settings_.batch ? absl::OkStatus() : Append(partition);
  }

  // A pod without a lease is dead to the registry, which would end its sessions.
  absl::Status TakeLease() {
    return redis_.Call({"SET", routing::PodKey(settings_.pod), "bench", "PX", "3600000"}).status();
  }

  // The last entry appended to each partition, 0-0 where there was none.
  [[nodiscard]] const std::vector<std::string>& last_ids() const { return last_ids_; }

  absl::Status Flush() {
    for (uint32_t partition = 0; partition < settings_.partitions; ++partition) {
      if (open_[partition].messages > 0) HP_RETURN_IF_ERROR(Append(partition));
    }
    return Drain();
  }

 private:
  struct Batch {
    std::string bytes;
    uint32_t messages = 0;
    uint64_t sequence = 0;
  };

  absl::Status Append(uint32_t partition) {
    Batch& batch = open_[partition];
    routing::AppendBatchTail(batch.bytes, settings_.pod, ++batch.sequence);
    HP_RETURN_IF_ERROR(redis_.Send(
        {"XADD", routing::UplinkKey(partition), "*", routing::kBatchField, batch.bytes}));
    sent_to_.push_back(partition);
    batch.bytes.clear();
    batch.messages = 0;
    return redis_.outstanding() < 256 ? absl::OkStatus() : Drain();
  }

  absl::Status Drain() {
    for (const uint32_t partition : sent_to_) {
      HP_ASSIGN_OR_RETURN(const redis_blocking::Reply reply, redis_.Receive());
      HP_RETURN_IF_ERROR(redis_blocking::ToStatus(reply));
      last_ids_[partition] = reply.text();
    }
    sent_to_.clear();
    return absl::OkStatus();
  }

  const Settings& settings_;
  redis_blocking::Client redis_;
  std::vector<Batch> open_;
  std::vector<uint32_t> sent_to_;  // answers outstanding, in order
  std::vector<std::string> last_ids_;
};

std::string DeviceName(const Settings& settings, uint32_t i) {
  return fmt::format("{}-{:06}", settings.pod, i);
}

absl::Status FeedConnects(Feeder& feeder, const Settings& settings, uint64_t epoch) {
  // Field 1 of Connected: the product.
  const std::string connected =
      fmt::format("\x0a{}{}", static_cast<char>(settings.product.size()), settings.product);
  for (uint32_t i = 0; i < settings.devices; ++i) {
    const std::string device = DeviceName(settings, i);
    routing::Uplink message;
    message.kind = routing::UplinkKind::kConnected;
    message.device = device;
    message.session = i + 1;
    message.epoch = epoch;
    message.received_ms = SystemClock().Wall().value;
    message.payload = connected;
    HP_RETURN_IF_ERROR(feeder.Add(message));
  }
  return feeder.Flush();
}

absl::Status FeedReports(Feeder& feeder, const Settings& settings, uint64_t epoch,
                         uint32_t reports) {
  for (uint32_t i = 0; i < reports; ++i) {
    const uint32_t index = i % settings.devices;
    const std::string device = DeviceName(settings, index);
    const std::string payload = fmt::format(R"({{"params":[{{"siid":2,"piid":2,"value":{}}}]}})",
                                            i / settings.devices % 100 + 1);
    routing::Uplink message;
    message.device = device;
    message.session = index + 1;
    message.epoch = epoch;
    message.received_ms = SystemClock().Wall().value;
    message.payload = payload;
    HP_RETURN_IF_ERROR(feeder.Add(message));
  }
  return feeder.Flush();
}

constexpr Statement kVersions{"versions",
                              "SELECT coalesce(sum(version), 0)::int8 FROM shadow "
                              "WHERE starts_with(device, $1::text)"};
constexpr Statement kConsumed{"consumed",
                              "SELECT count(*) FROM stream_offset o "
                              "JOIN unnest($1::int8[], $2::text[]) AS u (partition, last_id) "
                              "ON u.partition = o.partition AND (u.last_id = o.last_id"
                              " OR u.last_id = '0-0')"};

absl::StatusOr<int64_t> Versions(postgres::Connection& connection, const Settings& settings) {
  HP_ASSIGN_OR_RETURN(const postgres::Result result,
                      connection.Execute(kVersions, Params().Text(settings.pod)));
  return result.Int8(0, 0);
}

// Waits until the registry has committed all that was fed.
absl::Status AwaitConsumed(postgres::Connection& connection, const Feeder& feeder) {
  const auto total = static_cast<int64_t>(feeder.last_ids().size());
  for (;;) {
    postgres::Array partitions = postgres::Array::OfInt8();
    postgres::Array last_ids = postgres::Array::OfText();
    for (size_t partition = 0; partition < feeder.last_ids().size(); ++partition) {
      partitions.AddInt8(static_cast<int64_t>(partition));
      last_ids.Add(feeder.last_ids()[partition]);
    }
    HP_ASSIGN_OR_RETURN(
        const postgres::Result result,
        connection.Execute(kConsumed,
                           Params().Add(std::move(partitions)).Add(std::move(last_ids))));
    if (result.Int8(0, 0) == total) return absl::OkStatus();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// With a process id the registry is stopped while the backlog is made, so that only consumption is
// measured; else feeding and consumption together.
absl::Status Run(const Settings& settings, pid_t registry) {
  HP_ASSIGN_OR_RETURN(
      const std::unique_ptr<postgres::Connection> connection,
      postgres::Connection::Open({.conninfo = settings.postgres, .application = "homeport-bench"}));
  Feeder feeder(settings);
  const auto epoch = static_cast<uint64_t>(SystemClock().Wall().value);
  HP_RETURN_IF_ERROR(feeder.TakeLease());
  HP_RETURN_IF_ERROR(FeedConnects(feeder, settings, epoch));
  if (settings.warm_up) {
    HP_RETURN_IF_ERROR(FeedReports(feeder, settings, epoch, settings.devices));
  }
  HP_RETURN_IF_ERROR(AwaitConsumed(*connection, feeder));
  HP_ASSIGN_OR_RETURN(const int64_t before, Versions(*connection, settings));
  int64_t started_us = MonotonicMicros();
  if (registry > 0) kill(registry, SIGSTOP);
  const absl::Status fed = FeedReports(feeder, settings, epoch, settings.reports);
  if (registry > 0) {
    kill(registry, SIGCONT);
    started_us = MonotonicMicros();
  }
  HP_RETURN_IF_ERROR(fed);
  HP_RETURN_IF_ERROR(AwaitConsumed(*connection, feeder));
  const double seconds = static_cast<double>(MonotonicMicros() - started_us) / 1e6;
  HP_ASSIGN_OR_RETURN(const int64_t after, Versions(*connection, settings));
  if (after - before != settings.reports) {
    return absl::DataLossError(
        fmt::format("{} reports made {} versions", settings.reports, after - before));
  }
  std::printf("%u reports committed in %.2f s: %.0f reports/s\n", settings.reports, seconds,
              settings.reports / seconds);
  return absl::OkStatus();
}

}  // namespace
}  // namespace homeport::bench

int main(int argc, char** argv) {
  using homeport::bench::Settings;
  Settings settings;
  int64_t registry_pid = 0;
  homeport::config::Table table("homeport-bench-pipeline",
                                "Measures how fast the registry commits property reports.");
  homeport::bench::Declare(settings, table);
  table.Int("registry-pid", &registry_pid,
            {.doc = "Stopped while the backlog is made; 0: left running"});
  if (const auto exit_code = homeport::config::LoadForMain(table, argc, argv)) return *exit_code;
  settings.pod = fmt::format("bench-{:08x}", homeport::MonotonicMicros() & 0xFFFF'FFFF);
  const absl::Status status = homeport::bench::Run(settings, static_cast<pid_t>(registry_pid));
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
