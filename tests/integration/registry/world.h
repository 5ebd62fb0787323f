#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "homeport/internal/v1/envelope.pb.h"
#include "libs/metrics/registry.h"
#include "libs/postgres/connection.h"
#include "libs/redis_blocking/client.h"
#include "services/registry/shared_view.h"
#include "services/registry/store/catalog.h"
#include "services/registry/stream/worker.h"
#include "tests/support/private_servers.h"

namespace homeport::registry::testing {

using homeport::testing::Eventually;
using internal::v1::InboxItem;
using internal::v1::UplinkBatch;
using internal::v1::UplinkMessage;

// One Redis and one PostgreSQL for all tests of a program.
struct Servers {
  homeport::testing::PrivateRedis redis;
  homeport::testing::PrivatePostgres postgres;
  homeport::postgres::Watchdog watchdog;
};
[[nodiscard]] Servers& SharedServers();

inline constexpr uint32_t kPartitions = 4;
inline constexpr std::string_view kProduct = "test.light.one";

// An empty deployment: an emptied Redis, a database with the schema, a lamp product (light.on,
// light.brightness, event light.pressed), and no registry.
class World {
 public:
  World();

  [[nodiscard]] const std::string& conninfo() const { return conninfo_; }
  [[nodiscard]] postgres::ConnectOptions postgres() const;
  [[nodiscard]] redis_blocking::ClientOptions redis() const;
  [[nodiscard]] postgres::Connection& db();  // a new connection after an outage

  // The first column of the first row, as text; "" for no row.
  [[nodiscard]] std::string Sql(const std::string& query);
  // Carries out statements without a result.
  void Run(const std::string& script);
  // The answer of Redis as text, or its integer as text.
  std::string Redis(const std::vector<std::string>& words);

  // Whether `query` comes to answer `value`.
  [[nodiscard]] bool Becomes(const std::string& query, std::string_view value);

 private:
  std::string conninfo_;
  std::unique_ptr<postgres::Connection> db_;
  redis_blocking::Client redis_;
  int statements_ = 0;
};

// A gateway as the registry sees it: a pod with a lease that appends batches and has an inbox.
class Gateway {
 public:
  explicit Gateway(World& world, std::string pod = "gateway-1");

  [[nodiscard]] const std::string& pod() const { return pod_; }
  void RenewLease();
  void LoseLease();

  // Appends one batch of messages of one partition under the next sequence, or a given one. Repeats
  // until Redis answers, as a gateway does.
  void Append(const std::vector<UplinkMessage>& messages);
  void AppendAs(uint64_t sequence, const std::vector<UplinkMessage>& messages);
  // The same of messages for which nobody waits.
  void AppendPatient(const std::vector<UplinkMessage>& messages);
  [[nodiscard]] uint64_t sequence(uint32_t partition) const;

  // All items that ever came to the inbox, in order.
  [[nodiscard]] std::vector<InboxItem> Inbox();
  // Waits for at least `count` of them.
  [[nodiscard]] std::vector<InboxItem> AwaitInbox(size_t count);

 private:
  void Append(std::string_view field, uint64_t sequence,
              const std::vector<UplinkMessage>& messages);

  World& world_;
  const std::string pod_;
  redis_blocking::Client client_;
  std::map<uint32_t, uint64_t> sequences_;
};

// A registry pod's worker with its own metrics, wanting all partitions of `wanted`.
class TestWorker {
 public:
  struct Options {
    std::string pod = "registry-1";
    std::set<uint32_t> wanted = {0, 1, 2, 3};
    int64_t lease_ms = 10'000;
    int64_t pod_lease_ms = 0;
    Batch::Limits batch{};
    int64_t answer_ms_max = 35'000;  // of PostgreSQL
    std::string libpq{};             // added to the connection string
    int64_t presence_grace_ms = 0;
    size_t children_max = 1000;
  };
  explicit TestWorker(World& world) : TestWorker(world, Options()) {}
  TestWorker(World& world, const Options& options);

  Worker& operator*() { return *worker_; }
  Worker* operator->() { return worker_.get(); }
  PartitionView& wanted() { return wanted_; }
  PodView& dead_pods() { return dead_pods_; }
  // A line of the metrics page, such as `homeport_registry_fenced_total`: its value, 0 if absent.
  [[nodiscard]] double Metric(std::string_view series) const;
  // Whether the series reaches `value`: metrics follow the commit.
  [[nodiscard]] bool Counts(const std::string& series, double value) const {
    return Eventually([&] { return Metric(series) == value; });
  }

 private:
  metrics::Registry metrics_;
  Catalog catalog_;
  PartitionView wanted_;
  PodView dead_pods_;
  std::unique_ptr<Worker> worker_;
};
[[nodiscard]] double MetricOf(const metrics::Registry& metrics, std::string_view series);

// Messages of the session 7 with epoch 1, received now; change what differs.
[[nodiscard]] UplinkMessage Message(UplinkMessage::Kind kind, std::string_view device);
[[nodiscard]] UplinkMessage Connected(std::string_view device, uint64_t epoch = 1);
[[nodiscard]] UplinkMessage Disconnected(std::string_view device, uint64_t epoch = 1);
// {"params":[{"siid":2,"piid":2,"value":<brightness>}]}
[[nodiscard]] UplinkMessage Brightness(std::string_view device, int brightness);
[[nodiscard]] UplinkMessage Report(std::string_view device, std::string_view payload);
[[nodiscard]] UplinkMessage ShadowUpdate(std::string_view device, std::string_view payload);

// `count` device names that fall into `partition`.
[[nodiscard]] std::vector<std::string> DevicesOf(uint32_t partition, size_t count);

}  // namespace homeport::registry::testing
