#include "tests/integration/registry/world.h"

#include <csignal>
#include <cstdlib>
#include <list>

#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/postgres/in_transaction.h"
#include "libs/routing/keys.h"
#include "services/registry/schema.h"
#include "services/registry/store/partition_table.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry::testing {
namespace {

constexpr std::string_view kModel = R"({
  "type": "urn:miot-spec-v2:device:light:0000A001:test-one:1", "description": "Lamp",
  "services": [{"iid": 2, "type": "urn:miot-spec-v2:service:light:00007802:test-one:1",
    "description": "Light",
    "properties": [
      {"iid": 1, "type": "urn:miot-spec-v2:property:on:00000006:test-one:1",
       "description": "Switch", "format": "bool", "access": ["read", "write", "notify"]},
      {"iid": 2, "type": "urn:miot-spec-v2:property:brightness:0000000D:test-one:1",
       "description": "Brightness", "format": "uint32", "access": ["read", "write", "notify"],
       "value-range": [0, 1000000, 1]}],
    "actions": [],
    "events": [{"iid": 1, "type": "urn:miot-spec-v2:event:pressed:0000A002:test-one:1",
       "description": "Pressed", "arguments": [2]}]}]})";

void Succeed(const absl::Status& status) {
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  HP_CHECK(status.ok());
}

// Statements live as long as the program: connections remember them by address.
const std::string& Keep(std::string text) {
  static std::list<std::string> kept;
  return kept.emplace_back(std::move(text));
}

}  // namespace

Servers& SharedServers() {
  std::signal(SIGPIPE, SIG_IGN);
  static Servers servers;
  return servers;
}

namespace {

// One database for all tests of a program: making one takes longer than a test.
const std::string& SharedDatabase() {
  static const std::string name = [] {
    homeport::testing::PrivatePostgres& server = SharedServers().postgres;
    std::string made = server.NewDatabase();
    const auto connection = server.Connect(made);
    Succeed(connection.status());
    Succeed(postgres::Migrate(**connection, Migrations()));
    Succeed(PartitionTable::Ensure(**connection, kPartitions));
    return made;
  }();
  return name;
}

constexpr char kEmpty[] =
    "DELETE FROM device; DELETE FROM credential; DELETE FROM shadow; DELETE FROM device_session;"
    "DELETE FROM device_child; DELETE FROM hub_child; DELETE FROM presence_check;"
    "DELETE FROM watch; DELETE FROM telemetry; DELETE FROM event; DELETE FROM property_sample; "
    "DELETE FROM history_sweep;"
    "DELETE FROM product;"
    "DELETE FROM certificate; DELETE FROM authority; DELETE FROM provisioning_template;"
    "DELETE FROM directory_change; DELETE FROM stream_producer;"
    "DELETE FROM registry_member; DELETE FROM audit; DELETE FROM request_answer;"
    "DELETE FROM operation; DELETE FROM tenant_usage; DELETE FROM tenant WHERE id <> 'default';"
    "UPDATE tenant SET devices_max = 0, products_max = 0;"
    "UPDATE stream_offset SET owner = DEFAULT, fence = DEFAULT, lease_until = DEFAULT,"
    " generation = DEFAULT, last_id = DEFAULT, pending = DEFAULT,"
    " caught_up_ms = DEFAULT";

}  // namespace

World::World() : conninfo_(SharedServers().postgres.conninfo(SharedDatabase())), redis_(redis()) {
  Succeed(redis_.Call({"FLUSHALL"}).status());
  Run(kEmpty);
  ProductRow lamp;
  lamp.id = kProduct;
  lamp.tenant = "default";
  lamp.model = kModel;
  lamp.fleet_key = "0123456789abcdef";
  lamp.allow_unregistered = true;
  const auto create = [&](postgres::Transaction& transaction) {
    return CreateProduct(transaction, {"default", "test"}, lamp);
  };
  Succeed(postgres::InTransaction(db(), create).status());
}

postgres::ConnectOptions World::postgres() const {
  return {.conninfo = conninfo_, .application = "test"};
}

redis_blocking::ClientOptions World::redis() const {
  return {.address = SharedServers().redis.address()};
}

postgres::Connection& World::db() {
  if (!db_ || db_->broken()) {
    auto opened = postgres::Connection::Open(postgres());
    Succeed(opened.status());
    db_ = std::move(opened).value();
  }
  return *db_;
}

std::string World::Sql(const std::string& query) {
  const std::string& name = Keep(fmt::format("test_{}", ++statements_));
  const auto result = db().Execute({name.c_str(), Keep(query).c_str()});
  Succeed(result.status());
  return result->empty() ? "" : std::string(result->Text(0, 0));
}

void World::Run(const std::string& script) { Succeed(db().ExecuteScript(script)); }

std::string World::Redis(const std::vector<std::string>& words) {
  const auto reply = redis_.Call(std::vector<std::string_view>(words.begin(), words.end()));
  Succeed(reply.status());
  return reply->text().empty() ? std::to_string(reply->integer()) : std::string(reply->text());
}

bool World::Becomes(const std::string& query, std::string_view value) {
  const std::string& name = Keep(fmt::format("test_{}", ++statements_));
  const postgres::Statement statement{name.c_str(), Keep(query).c_str()};
  std::string last;
  const bool became = Eventually([&] {
    const auto result = db().Execute(statement);
    if (result.ok()) last = result->empty() ? "" : result->Text(0, 0);
    return last == value;
  });
  if (!became) std::fprintf(stderr, "%s: %s\n", query.c_str(), last.c_str());
  return became;
}

Gateway::Gateway(World& world, std::string pod)
    : world_(world), pod_(std::move(pod)), client_(world.redis()) {
  RenewLease();
  world_.Redis({"XADD", routing::InboxKey(pod_), "*", "b", ""});  // as a pod makes its inbox
}

void Gateway::RenewLease() { world_.Redis({"SET", routing::PodKey(pod_), "test", "PX", "60000"}); }

void Gateway::LoseLease() { world_.Redis({"DEL", routing::PodKey(pod_)}); }

uint64_t Gateway::sequence(uint32_t partition) const {
  const auto at = sequences_.find(partition);
  return at == sequences_.end() ? 0 : at->second;
}

void Gateway::Append(const std::vector<UplinkMessage>& messages) {
  const uint32_t partition = routing::PartitionOf(messages.front().device(), kPartitions);
  AppendAs(++sequences_[partition], messages);
}

void Gateway::AppendPatient(const std::vector<UplinkMessage>& messages) {
  const uint32_t partition = routing::PartitionOf(messages.front().device(), kPartitions);
  Append(routing::kPatientBatchField, ++sequences_[partition], messages);
}

void Gateway::AppendAs(uint64_t sequence, const std::vector<UplinkMessage>& messages) {
  Append(routing::kBatchField, sequence, messages);
}

void Gateway::Append(std::string_view field, uint64_t sequence,
                     const std::vector<UplinkMessage>& messages) {
  const uint32_t partition = routing::PartitionOf(messages.front().device(), kPartitions);
  UplinkBatch batch;
  batch.set_version(1);
  batch.set_pod(pod_);
  batch.set_sequence(sequence);
  for (const UplinkMessage& message : messages) *batch.add_messages() = message;
  const std::string bytes = batch.SerializeAsString();
  HP_CHECK(Eventually([&] {
    const auto reply = client_.Call({"XADD", routing::UplinkKey(partition), "*", field, bytes});
    return reply.ok() && !reply->is_error();
  }));
}

std::vector<InboxItem> Gateway::Inbox() {
  redis_blocking::Client client(world_.redis());
  const auto reply = client.Call({"XRANGE", routing::InboxKey(pod_), "-", "+"});
  std::vector<InboxItem> items;
  if (!reply.ok()) return items;
  for (size_t i = 0; i < reply->size(); ++i) {
    internal::v1::InboxBatch batch;
    HP_CHECK(batch.ParseFromString(std::string((*reply)[i][1][1].text())));
    items.insert(items.end(), batch.items().begin(), batch.items().end());
  }
  return items;
}

std::vector<InboxItem> Gateway::AwaitInbox(size_t count) {
  std::vector<InboxItem> items;
  HP_CHECK(Eventually([&] {
    items = Inbox();
    return items.size() >= count;
  }));
  return items;
}

TestWorker::TestWorker(World& world, const Options& options) : catalog_(SystemClock()) {
  WorkerOptions worker;
  worker.pod = options.pod;
  worker.partitions = kPartitions;
  worker.lease_ms = options.lease_ms;
  worker.pod_lease_ms = options.pod_lease_ms;
  worker.batch = options.batch;
  worker.consumer.partitions = kPartitions;
  worker.consumer.presence_grace_ms = options.presence_grace_ms;
  worker.consumer.children_max = options.children_max;
  worker.postgres = world.postgres();
  worker.postgres.conninfo += options.libpq;
  worker.postgres.answer_ms_max = options.answer_ms_max;
  worker.postgres.watchdog = &SharedServers().watchdog;
  worker.postgres.connect_s_max = 2;
  worker.redis = world.redis();
  wanted_.Publish(options.wanted);
  worker_ = std::make_unique<Worker>(worker, Worker::Parts{.clock = SystemClock(),
                                                           .metrics = metrics_,
                                                           .catalog = catalog_,
                                                           .wanted = wanted_,
                                                           .dead_pods = dead_pods_});
  worker_->Start();
}

double TestWorker::Metric(std::string_view series) const { return MetricOf(metrics_, series); }

double MetricOf(const metrics::Registry& metrics, std::string_view series) {
  const std::string page = "\n" + metrics.Render();
  const size_t at = page.find(fmt::format("\n{} ", series));
  return at == std::string::npos ? 0 : std::atof(page.c_str() + at + series.size() + 2);
}

UplinkMessage Message(UplinkMessage::Kind kind, std::string_view device) {
  UplinkMessage message;
  message.set_kind(kind);
  message.set_device(std::string(device));
  message.set_session(7);
  message.set_epoch(1);
  message.set_received_ms(SystemClock().Wall().value);
  return message;
}

UplinkMessage Connected(std::string_view device, uint64_t epoch) {
  UplinkMessage message = Message(UplinkMessage::KIND_CONNECTED, device);
  message.set_epoch(epoch);
  internal::v1::Connected connected;
  connected.set_product(std::string(kProduct));
  message.set_payload(connected.SerializeAsString());
  return message;
}

UplinkMessage Disconnected(std::string_view device, uint64_t epoch) {
  UplinkMessage message = Message(UplinkMessage::KIND_DISCONNECTED, device);
  message.set_epoch(epoch);
  internal::v1::Disconnected disconnected;
  disconnected.set_reason("CLIENT_INITIATED_DISCONNECT");
  message.set_payload(disconnected.SerializeAsString());
  return message;
}

UplinkMessage Report(std::string_view device, std::string_view payload) {
  UplinkMessage message = Message(UplinkMessage::KIND_PROPERTIES, device);
  message.set_payload(std::string(payload));
  return message;
}

UplinkMessage Brightness(std::string_view device, int brightness) {
  return Report(device,
                fmt::format(R"({{"params":[{{"siid":2,"piid":2,"value":{}}}]}})", brightness));
}

UplinkMessage ShadowUpdate(std::string_view device, std::string_view payload) {
  UplinkMessage message = Message(UplinkMessage::KIND_SHADOW_UPDATE, device);
  message.set_payload(std::string(payload));
  return message;
}

std::vector<std::string> DevicesOf(uint32_t partition, size_t count) {
  std::vector<std::string> devices;
  for (int i = 0; devices.size() < count; ++i) {
    std::string device = fmt::format("lamp-{}", i);
    if (routing::PartitionOf(device, kPartitions) == partition)
      devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace homeport::registry::testing
