#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "libs/base/status.h"
#include "libs/json/parse.h"
#include "libs/routing/keys.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/history_reader.h"
#include "services/registry/store/history_table.h"
#include "services/registry/store/session_table.h"
#include "services/registry/store/shadow_table.h"
#include "tests/integration/registry/world.h"

// Data that outgrows one server: every statement of the hot path reads the hash partitions of the
// devices it is about, and no other. The plans are those of the statements as they ran:
// PostgreSQL's auto_explain writes each into the server's log, with what was executed.
namespace homeport::registry::testing {
namespace {

constexpr std::string_view kExplain =
    " options='-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0"
    " -c auto_explain.log_analyze=on -c auto_explain.log_timing=off"
    " -c auto_explain.log_format=json'";

// A plan as logged: the query, and the partitions that its scans read, as "shadow_p3" or
// "event_20000102".
struct Plan {
  std::string query;
  std::set<std::string> read;
};

void AddScans(const json::Value& node, std::set<std::string>& read) {
  static const std::regex kPartition(
      "(device|credential|shadow|device_session)_p[0-9]+|"
      "(telemetry|event|property_sample)_(default|[0-9]{8})");
  const json::Value* const relation = node.Find("Relation Name");
  const json::Value* const type = node.Find("Node Type");
  const json::Value* const loops = node.Find("Actual Loops");
  if (relation != nullptr && type->IfString()->find("Scan") != std::string::npos &&
      loops->ToDouble().value_or(0) > 0 && std::regex_match(*relation->IfString(), kPartition)) {
    read.insert(*relation->IfString());
  }
  const json::Value* const children = node.Find("Plans");
  if (children == nullptr) return;
  for (const json::Value& child : *children->IfArray()) AddScans(child, read);
}

// The plans that the server has logged behind `offset` bytes.
std::vector<Plan> PlansBehind(std::streamoff offset) {
  std::ifstream log(SharedServers().postgres.log_path());
  log.seekg(offset);
  std::vector<Plan> plans;
  std::string line, text;
  const auto finish = [&] {
    if (text.empty()) return;
    const auto parsed = json::Parse(text);
    REQUIRE(parsed.status() == absl::OkStatus());
    Plan plan;
    plan.query = *parsed->Find("Query Text")->IfString();
    AddScans(*parsed->Find("Plan"), plan.read);
    plans.push_back(std::move(plan));
    text.clear();
  };
  bool in_plan = false;
  while (std::getline(log, line)) {
    if (in_plan && line.starts_with('\t')) {
      text += line.substr(1) + "\n";
      continue;
    }
    finish();
    in_plan = line.ends_with("plan:");
  }
  finish();
  return plans;
}

std::streamoff LogSize() {
  std::ifstream log(SharedServers().postgres.log_path(), std::ios::ate);
  return log.tellg();
}

// The partitions that rows of the devices lie in.
std::set<std::string> PartitionsOf(World& world, const std::vector<std::string>& devices) {
  std::set<std::string> partitions;
  for (const std::string& device : devices) {
    for (int i = 0; i < 16; ++i) {
      for (const char* table : {"device", "credential", "shadow", "device_session"}) {
        if (world.Sql(fmt::format("SELECT satisfies_hash_partition('{}'::regclass, 16, {},"
                                  " '{}'::text)",
                                  table, i, device)) == "t") {
          partitions.insert(fmt::format("{}_p{}", table, i));
        }
      }
    }
  }
  return partitions;
}

// History is not partitioned by device but by day.
bool IsDay(const std::string& partition) {
  return std::any_of(kHistoryTables.begin(), kHistoryTables.end(),
                     [&](std::string_view table) { return partition.starts_with(table); });
}

// Every plan reads nothing but partitions of `devices`. Returns the queries.
std::set<std::string> CheckPlans(World& world, std::streamoff from,
                                 const std::vector<std::string>& devices) {
  const std::set<std::string> allowed = PartitionsOf(world, devices);
  CHECK(allowed.size() >= 4);
  std::set<std::string> queries;
  for (const Plan& plan : PlansBehind(from)) {
    queries.insert(plan.query);
    INFO(plan.query);
    for (const std::string& partition : plan.read) {
      INFO(partition);
      CHECK((IsDay(partition) || allowed.contains(partition)));
    }
  }
  return queries;
}

bool Saw(const std::set<std::string>& queries, std::string_view part) {
  for (const std::string& query : queries) {
    if (query.find(part) != std::string::npos) return true;
  }
  return false;
}

// Devices that the statements are not about. Of few rows PostgreSQL rightly reads a whole table
// rather than looking keys up one by one, so there are many.
void Populate(World& world) {
  world.Run(
      "INSERT INTO device (id, tenant, product) SELECT 'other-' || i, 'default', 'test.light.one'"
      " FROM generate_series(1, 60000) AS i;"
      "INSERT INTO shadow (device, name, version, state, metadata) SELECT 'other-' || i, '', 1,"
      " '{}', '{}' FROM generate_series(1, 60000) AS i; ANALYZE device; ANALYZE shadow");
}

TEST_CASE("reports, shadows, presence and watches read the partitions of their devices only") {
  World world;
  Populate(world);
  world.Run("UPDATE product SET version = version + 1, history_properties = '{*}'");
  Gateway gateway(world);
  const std::vector<std::string> devices = DevicesOf(0, 2);
  const std::streamoff from = LogSize();
  {
    TestWorker::Options options;
    options.libpq = std::string(kExplain);
    TestWorker worker(world, options);
    for (const std::string& device : devices) {
      UplinkMessage named = ShadowUpdate(device, R"({"state":{"reported":{"a":1}}})");
      named.set_detail("named");
      gateway.Append({Connected(device), Brightness(device, 4),
                      ShadowUpdate(device, R"({"state":{"desired":{"light":{"on":true}}}})"), named,
                      Message(UplinkMessage::KIND_SHADOW_GET, device)});
    }
    CHECK(world.Becomes("SELECT count(*) FROM shadow WHERE device LIKE 'lamp%'", "4"));
    gateway.Append({Brightness(devices[0], 5), Brightness(devices[1], 6)});
    CHECK(
        world.Becomes("SELECT sum(version)::int8 FROM shadow WHERE name = ''"
                      " AND device LIKE 'lamp%'",
                      "6"));
    gateway.Append({Disconnected(devices[0]), Disconnected(devices[1])});
    CHECK(world.Becomes("SELECT count(*) FROM device_session", "0"));
  }
  const std::set<std::string> queries = CheckPlans(world, from, devices);
  for (const char* part : {"JOIN device d", "JOIN device_session s", "JOIN shadow s",
                           "INSERT INTO shadow", "INSERT INTO device (id, tenant, product, online",
                           "INSERT INTO device_session", "DELETE FROM device_session"}) {
    INFO(part);
    CHECK(Saw(queries, part));
  }
}

TEST_CASE("look-ups and changes of one device read its partitions only") {
  World world;
  Populate(world);
  postgres::ConnectOptions options = world.postgres();
  options.conninfo += kExplain;
  const auto opened = postgres::Connection::Open(options);
  REQUIRE(opened.ok());
  postgres::Connection& connection = **opened;
  const std::string id = "lamp-1";
  const TenantId tenant("default");
  const std::streamoff from = LogSize();
  const auto in_transaction = [&connection](const auto& body) {
    postgres::Transaction transaction(connection);
    CHECK(body(transaction) == absl::OkStatus());
    CHECK(transaction.Commit().ok());
  };
  DeviceRow row;
  row.id = id;
  row.tenant = tenant.str();
  row.product = kProduct;
  row.secret_sha256 = std::string(32, 'x');
  in_transaction([&](postgres::Transaction& t) { return CreateDevice(t, row).status(); });
  // As often as PostgreSQL needs to settle for a generic plan.
  for (int i = 0; i < 8; ++i) {
    CHECK(FindDevice(connection, DeviceId(id)).ok());
    CHECK(FindShadow(connection, DeviceId(id), "").ok());
    CHECK(FindDeviceShadows(connection, {{DeviceId(id), ""}}).ok());
    CHECK(ListNamedShadows(connection, DeviceId(id), "", 10).ok());
    CHECK(FindSessionsOfDevice(connection, id).ok());
    in_transaction([&](postgres::Transaction& t) -> absl::Status {
      auto locked = LockDevice(t, tenant, DeviceId(id), 0);
      if (!locked.ok()) return locked.status();
      return WriteDevice(t, *locked).status();
    });
  }
  in_transaction([&](postgres::Transaction& t) {
    HP_RETURN_IF_ERROR(RaiseGeneration(t, routing::PartitionOf(id, kPartitions)));
    return RemoveDevice(t, id);
  });
  const std::set<std::string> queries = CheckPlans(world, from, {id});
  CHECK(queries.size() >= 14);
}

TEST_CASE("reads of history look at the days of their range only") {
  constexpr int64_t kDay = 10'957;  // 2000-01-01
  World world;
  for (const std::string_view table : kHistoryTables) {
    REQUIRE(DropHistoryBefore(world.db(), table, kDay * 10).ok());
    for (int64_t day = kDay; day < kDay + 6; ++day) {
      REQUIRE(MakeHistoryDay(world.db(), table, day).ok());
    }
  }
  postgres::ConnectOptions options = world.postgres();
  options.conninfo += kExplain;
  const auto opened = postgres::Connection::Open(options);
  REQUIRE(opened.ok());
  postgres::Connection& connection = **opened;
  const std::streamoff from = LogSize();
  HistoryQuery query{.device = "d",
                     .name = "a.b",
                     .from_ms = (kDay + 2) * kDayMs,
                     .until_ms = (kDay + 3) * kDayMs,
                     .newest_first = false,
                     .after = HistoryQuery::BeforeAll(false),
                     .limit = 10};
  const WindowQuery windows{.device = "d",
                            .name = "a.b",
                            .from_ms = query.from_ms,
                            .until_ms = query.until_ms,
                            .window_ms = 60'000,
                            .back_ms = kDayMs,
                            .since_ms = 0};
  for (int i = 0; i < 8; ++i) {
    query.newest_first = i % 2 == 1;
    query.after = HistoryQuery::BeforeAll(query.newest_first);
    CHECK(ReadTelemetry(connection, query).ok());
    CHECK(ReadEvents(connection, query).ok());
    CHECK(ReadPropertyValues(connection, query).ok());
    CHECK(ReadTelemetryWindows(connection, windows).ok());
    CHECK(ReadPropertyWindows(connection, windows).ok());
  }
  std::set<std::string> days, queries;
  for (const Plan& plan : PlansBehind(from)) {
    queries.insert(plan.query);
    days.insert(plan.read.begin(), plan.read.end());
  }
  CHECK(queries.size() >= 8);
  // Windows need the last sample before them.
  CHECK(days == std::set<std::string>{"telemetry_20000102", "telemetry_20000103", "event_20000103",
                                      "property_sample_20000102", "property_sample_20000103"});
  for (const std::string_view table : kHistoryTables) {
    REQUIRE(DropHistoryBefore(world.db(), table, kDay * 10).ok());
  }
}

}  // namespace
}  // namespace homeport::registry::testing
