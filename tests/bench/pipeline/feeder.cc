// Measures how fast a running homeport-registry commits reports. Puts them straight into the uplink
// streams, batched as a gateway does, and watches the shadows' versions grow until they are gone.
// Without a mix it registers its devices and all reports are of one property; with one the devices
// are those that tests/bench/population.py has made.
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
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
  std::string mix_file;
  uint64_t epoch = 0;  // of the sessions of a mix's devices
  uint32_t seed = 1;   // tells runs over the same devices apart
  uint32_t rate = 0;
};

// A kind of device of a mix.
struct Kind {
  std::string product;
  uint32_t properties = 1;
  bool has_event = false;
};
using Mix = std::vector<Kind>;

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
  table.Text(
      "mix", &s.mix_file,
      {.unit = "file", .doc = "Kinds of devices: product, properties, has an event (0 or 1)"});
  table.Int("epoch", &s.epoch, {.doc = "Of the sessions of the mix's devices"});
  table.Int("seed", &s.seed, {.min = 1, .max = 1000, .doc = "Another one makes other reports"});
  table.Int("rate", &s.rate,
            {.max = 1'000'000, .unit = "reports/s", .doc = "0: the whole backlog at once"});
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

// tests/bench/population.py has the same.
constexpr uint64_t kSlotStep = 7919;
constexpr std::string_view kMixPrefix = "bench-";

absl::StatusOr<Mix> ReadMix(const std::string& path) {
  std::ifstream file(path);
  Mix mix;
  for (Kind kind; file >> kind.product >> kind.properties >> kind.has_event;) mix.push_back(kind);
  if (mix.empty() || !file.eof()) {
    return absl::InvalidArgumentError(fmt::format("{} holds no mix", path));
  }
  return mix;
}

// The reports of a mix: of twenty, one is an event where the device has one, two hold all its
// properties, the others one. Devices take turns in an order that is not that of their names.
class MixedReports {
 public:
  MixedReports(const Settings& settings, const Mix& mix) : settings_(settings), mix_(mix) {}

  absl::Status Feed(Feeder& feeder) {
    const int64_t begun_us = MonotonicMicros();
    for (uint32_t i = 0; i < settings_.reports; ++i) {
      HP_RETURN_IF_ERROR(Add(feeder, i));
      if (settings_.rate == 0 || (i + 1) % std::max(1U, settings_.rate / kTicks) != 0) continue;
      HP_RETURN_IF_ERROR(feeder.Flush());
      const int64_t due_us = begun_us + int64_t{i} * 1'000'000 / settings_.rate;
      const int64_t early_us = due_us - MonotonicMicros();
      if (early_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(early_us));
    }
    return feeder.Flush();
  }
  // Versions of shadows that they make.
  [[nodiscard]] uint32_t versions() const { return versions_; }

 private:
  static constexpr uint32_t kTicks = 200;       // of a second, at which a rate is kept
  static constexpr uint64_t kStride = 611'953;  // a prime: every device gets its turn

  absl::Status Add(Feeder& feeder, uint32_t i) {
    const uint64_t turn = uint64_t{settings_.seed} * settings_.reports + i;
    const uint64_t device = turn * kStride % settings_.devices;
    const Kind& kind = mix_[device * kSlotStep % mix_.size()];
    const std::string name = fmt::format("{}{:07}", kMixPrefix, device);
    const bool is_event = i % 20 == 0 && kind.has_event;
    versions_ += is_event ? 0 : 1;
    const std::string payload =
        is_event     ? fmt::format(R"({{"arguments":[{{"piid":1,"value":{}}}]}})", turn % 101)
        : i % 20 < 3 ? Params(1, kind.properties, turn)
                     : Params(1 + static_cast<uint32_t>(turn % kind.properties), 1, turn);
    routing::Uplink message;
    if (is_event) {
      message.kind = routing::UplinkKind::kEvent;
      message.detail = "2/1";
    }
    message.device = name;
    message.session = device + 1;
    message.epoch = settings_.epoch;
    message.received_ms = SystemClock().Wall().value;
    message.payload = payload;
    return feeder.Add(message);
  }

  static std::string Params(uint32_t first, uint32_t count, uint64_t turn) {
    std::string payload = R"({"params":[)";
    for (uint32_t piid = first; piid < first + count; ++piid) {
      payload += fmt::format(R"({}{{"siid":2,"piid":{},"value":{}}})", piid == first ? "" : ",",
                             piid, (turn / 7 + piid) % 101);
    }
    return payload + "]}";
  }

  const Settings& settings_;
  const Mix& mix_;
  uint32_t versions_ = 0;
};

constexpr Statement kVersions{"versions",
                              "SELECT coalesce(sum(version), 0)::int8 FROM shadow "
                              "WHERE starts_with(device, $1::text)"};
constexpr Statement kConsumed{"consumed",
                              "SELECT count(*) FROM stream_offset o "
                              "JOIN unnest($1::int8[], $2::text[]) AS u (partition, last_id) "
                              "ON u.partition = o.partition AND (u.last_id = o.last_id"
                              " OR u.last_id = '0-0')"};

absl::StatusOr<int64_t> Versions(postgres::Connection& connection, const Settings& settings) {
  HP_ASSIGN_OR_RETURN(
      const postgres::Result result,
      connection.Execute(kVersions,
                         Params().Text(settings.mix_file.empty() ? settings.pod : kMixPrefix)));
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

// What a run feeds, with the number of versions that it must make.
using Feed = std::function<absl::StatusOr<uint32_t>(Feeder&)>;

absl::StatusOr<Feed> Prepare(const Settings& settings, Feeder& feeder) {
  if (!settings.mix_file.empty()) {
    HP_ASSIGN_OR_RETURN(const Mix mix, ReadMix(settings.mix_file));
    return [&settings, mix](Feeder& to) -> absl::StatusOr<uint32_t> {
      MixedReports reports(settings, mix);
      HP_RETURN_IF_ERROR(reports.Feed(to));
      return reports.versions();
    };
  }
  const auto epoch = static_cast<uint64_t>(SystemClock().Wall().value);
  HP_RETURN_IF_ERROR(feeder.TakeLease());
  HP_RETURN_IF_ERROR(FeedConnects(feeder, settings, epoch));
  if (settings.warm_up) {
    HP_RETURN_IF_ERROR(FeedReports(feeder, settings, epoch, settings.devices));
  }
  return [&settings, epoch](Feeder& to) -> absl::StatusOr<uint32_t> {
    HP_RETURN_IF_ERROR(FeedReports(to, settings, epoch, settings.reports));
    return settings.reports;
  };
}

// With a process id the registry is stopped while the backlog is made, so that only consumption is
// measured; else feeding and consumption together.
absl::Status Run(const Settings& settings, pid_t registry) {
  HP_ASSIGN_OR_RETURN(
      const std::unique_ptr<postgres::Connection> connection,
      postgres::Connection::Open({.conninfo = settings.postgres, .application = "homeport-bench"}));
  Feeder feeder(settings);
  HP_ASSIGN_OR_RETURN(const Feed feed, Prepare(settings, feeder));
  HP_RETURN_IF_ERROR(AwaitConsumed(*connection, feeder));
  HP_ASSIGN_OR_RETURN(const int64_t before, Versions(*connection, settings));
  int64_t started_us = MonotonicMicros();
  if (registry > 0) kill(registry, SIGSTOP);
  const absl::StatusOr<uint32_t> versions = feed(feeder);
  if (registry > 0) {
    kill(registry, SIGCONT);
    started_us = MonotonicMicros();
  }
  HP_RETURN_IF_ERROR(versions.status());
  HP_RETURN_IF_ERROR(AwaitConsumed(*connection, feeder));
  const double seconds = static_cast<double>(MonotonicMicros() - started_us) / 1e6;
  HP_ASSIGN_OR_RETURN(const int64_t after, Versions(*connection, settings));
  if (after - before != *versions) {
    return absl::DataLossError(fmt::format("{} versions instead of {}", after - before, *versions));
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
