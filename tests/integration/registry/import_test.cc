#include "services/registry/janitor.h"
#include "services/registry/store/device_table.h"
#include "tests/integration/registry/operations.h"

// Imports: a report for each row, one effect however often and by whichever pod; and the janitor.
namespace homeport::registry::testing {
namespace {

using device::v1::ImportDevicesRequest;
using device::v1::ImportDevicesResponse;
using google::longrunning::Operation;

constexpr char kRequestId[] = "0d5e8a4e-7d0f-4c2b-9c0f-3b1f4a5c6d7e";

ImportDevicesRequest::Row& AddRow(ImportDevicesRequest& request, std::string_view id) {
  ImportDevicesRequest::Row& row = *request.add_rows();
  row.set_line(request.rows_size() + 1);  // behind a line of headings
  row.set_device_id(std::string(id));
  row.mutable_device()->set_product(fmt::format("tenants/-/products/{}", kProduct));
  return row;
}

ImportDevicesRequest Lamps(int count) {
  ImportDevicesRequest request;
  request.set_parent("tenants/-");
  for (int i = 0; i < count; ++i) AddRow(request, fmt::format("lamp-{}", i));
  return request;
}

Operation Start(Api& api, const ImportDevicesRequest& request) {
  Operation operation;
  const grpc::Status status =
      api.Call("operator", *api.devices, &Devices::ImportDevices, request, &operation);
  REQUIRE(status.error_message() == "");
  return operation;
}

ImportDevicesResponse ResultOf(const Operation& operation) {
  ImportDevicesResponse response;
  REQUIRE(operation.response().UnpackTo(&response));
  return response;
}

TEST_CASE("an import says of every row what became of it") {
  Api api;
  api.world.Run(
      "INSERT INTO device (id, tenant, product) VALUES ('there', 'default', 'p'),"
      " ('foreign', 'other', 'p')");
  ImportDevicesRequest request = Lamps(2);
  (*request.mutable_rows(0)->mutable_device()->mutable_labels())["room"] = "hall";
  request.mutable_rows(0)->mutable_device()->add_groups("a");
  request.mutable_rows(0)->set_secret_sha256(std::string(32, 'x'));
  AddRow(request, "there");
  AddRow(request, "foreign");
  AddRow(request, "a b");
  AddRow(request, "lamp-0");
  AddRow(request, "lamp-2").mutable_device()->set_product("tenants/-/products/none");
  AddRow(request, "lamp-3").mutable_device()->add_groups("a b");
  AddRow(request, "lamp-4").set_secret_sha256("short");
  AddRow(request, "lamp-5").mutable_device()->set_product("tenants/other/products/p");
  const Operation operation = AwaitDone(api, Start(api, request));
  const ImportDevicesResponse result = ResultOf(operation);
  CHECK(result.rows_created() == 2);
  CHECK(result.rows_failed() == 8);
  std::string report;
  for (const device::v1::ImportFailure& failure : result.failures()) {
    report += fmt::format("{} {}; ", failure.line(), failure.reason());
  }
  CHECK(report ==
        "4 DEVICE_EXISTS; 5 DEVICE_EXISTS; 6 FIELD_INVALID; 7 DEVICE_EXISTS; 8 PRODUCT_NOT_FOUND; "
        "9 FIELD_INVALID; 10 FIELD_INVALID; 11 PERMISSION_DENIED; ");
  device::v1::ImportDevicesMetadata metadata;
  REQUIRE(operation.metadata().UnpackTo(&metadata));
  CHECK(metadata.rows_done() == 10);
  CHECK(api.world.Sql("SELECT labels ->> 'room' || device_groups::text FROM device "
                      "WHERE id = 'lamp-0'") == "hall{a}");
  CHECK(api.world.Sql("SELECT count(*) FROM credential") == "1");
  CHECK(api.world.Sql("SELECT sum(devices)::int8 FROM tenant_usage") == "2");
  CHECK(api.world.Sql("SELECT count(*) FROM audit WHERE action = 'ImportDevices'"
                      " AND resource LIKE 'devices/%'") == "2");

  device::v1::ListImportFailuresRequest list;
  list.set_parent(operation.name());
  list.set_page_size(3);
  int failures = 0;
  do {
    device::v1::ListImportFailuresResponse page;
    REQUIRE(api.Call("operator", *api.devices, &Devices::ListImportFailures, list, &page).ok());
    failures += page.failures_size();
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  CHECK(failures == 8);
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::ListImportFailures, list,
                           std::make_unique<device::v1::ListImportFailuresResponse>().get(),
                           "other")) == "PERMISSION_DENIED");
}

TEST_CASE("an import updates where asked, and only checks where asked") {
  Api api;
  AwaitDone(api, Start(api, Lamps(1)));
  ImportDevicesRequest request = Lamps(2);
  request.mutable_rows(0)->mutable_device()->set_display_name("Lamp");
  request.set_update_existing(true);
  request.set_validate_only(true);
  ImportDevicesResponse result = ResultOf(AwaitDone(api, Start(api, request)));
  CHECK(result.rows_created() == 1);
  CHECK(result.rows_updated() == 1);
  CHECK(api.world.Sql("SELECT count(*) FROM device WHERE display_name = ''") == "1");
  request.set_validate_only(false);
  result = ResultOf(AwaitDone(api, Start(api, request)));
  CHECK(result.rows_created() == 1);
  CHECK(result.rows_updated() == 1);
  CHECK(api.world.Sql("SELECT version FROM device WHERE display_name = 'Lamp'") == "2");
}

TEST_CASE("an import stays within the quota") {
  Api api;
  api.world.Run("UPDATE tenant SET devices_max = 3");
  const ImportDevicesResponse result = ResultOf(AwaitDone(api, Start(api, Lamps(5))));
  CHECK(result.rows_created() == 3);
  REQUIRE(result.failures_size() == 2);
  CHECK(result.failures(0).reason() == "QUOTA_EXCEEDED");
}

TEST_CASE("the same import sent again is the same operation; it can be listed and deleted") {
  Api api;
  ImportDevicesRequest request = Lamps(3);
  request.set_request_id(kRequestId);
  const Operation first = Start(api, request);
  CHECK(Start(api, request).name() == first.name());
  AwaitDone(api, first);
  google::longrunning::ListOperationsRequest list;
  list.set_name("tenants/-");
  google::longrunning::ListOperationsResponse page;
  REQUIRE(api.Call("operator", *api.operations, &Operations::ListOperations, list, &page).ok());
  REQUIRE(page.operations_size() == 1);
  google::longrunning::DeleteOperationRequest remove;
  remove.set_name(first.name());
  google::protobuf::Empty nothing;
  REQUIRE(
      api.Call("operator", *api.operations, &Operations::DeleteOperation, remove, &nothing).ok());
  CHECK(ReasonFor(api.Call("operator", *api.operations, &Operations::DeleteOperation, remove,
                           &nothing)) == "OPERATION_NOT_FOUND");
  remove.set_name("tenants/-/operations/x");
  CHECK(ReasonFor(api.Call("operator", *api.operations, &Operations::DeleteOperation, remove,
                           &nothing)) == "NAME_INVALID");
}

struct Waiting : Runners {
  explicit Waiting(const ImportDevicesRequest& request) {
    Add("1", OperationKind::kImport, request, request.rows_size());
  }
};

TEST_CASE("where a pod died another goes on behind its last chunk") {
  Waiting waiting(Lamps(2000));
  std::unique_ptr<OperationRunner> first = waiting.Runner("registry-1", 10);
  first->Start();
  CHECK(
      Eventually([&] { return waiting.world.Sql("SELECT next_row > 100 FROM operation") == "t"; }));
  first.reset();
  CHECK(waiting.world.Sql("SELECT done FROM operation") == "f");
  const int64_t at = std::stoll(waiting.world.Sql("SELECT next_row FROM operation"));
  CHECK(waiting.world.Sql("SELECT count(*) FROM device") == std::to_string(at));
  std::unique_ptr<OperationRunner> second = waiting.Runner("registry-2", 500);
  std::unique_ptr<OperationRunner> third = waiting.Runner("registry-3", 500);
  second->Start();
  third->Start();
  CHECK(waiting.world.Becomes("SELECT done || ' ' || created || ' ' || failed FROM operation",
                              "true 2000 0"));
  CHECK(waiting.world.Sql("SELECT count(*) FROM device") == "2000");
  CHECK(waiting.world.Sql("SELECT length(request) FROM operation") == "0");
}

TEST_CASE("a pod that was taken for dead does not do a chunk twice") {
  Waiting waiting(Lamps(4));
  const auto claimed = ClaimOperation(waiting.world.db(), {"registry-1", 0});
  REQUIRE(claimed.ok());
  REQUIRE(claimed->has_value());
  OperationRow stale = **claimed;
  REQUIRE(ClaimOperation(waiting.world.db(), {"registry-2", 60'000})->has_value());
  postgres::Transaction transaction(waiting.world.db());
  Advance advance;
  advance.next_row = 4;
  CHECK(AdvanceOperation(transaction, {"registry-1", 1000}, advance, stale).code() ==
        absl::StatusCode::kAborted);
}

TEST_CASE("a cancelled import ends between two chunks") {
  Waiting waiting(Lamps(4));
  REQUIRE(CancelOperation(waiting.world.db(), TenantId("default"), "1").ok());
  std::unique_ptr<OperationRunner> runner = waiting.Runner("registry-1", 2);
  runner->Start();
  CHECK(waiting.world.Becomes("SELECT done || ' ' || error FROM operation", "true cancelled"));
  CHECK(waiting.world.Sql("SELECT count(*) FROM device") == "0");
}

TEST_CASE("the janitor purges a device with much history, and the children of a hub lose it") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  CatalogProbe catalog(metrics);
  StreamAppender appender("registry-1", kPartitions, world.redis(), probe);
  world.Run(
      "INSERT INTO device (id, tenant, product, children, deleted_at, purge_at) VALUES"
      " ('due', 'default', 'p', 1, now(), now());"
      "INSERT INTO device (id, tenant, product, hub) VALUES ('child', 'default', 'p', 'due'),"
      " ('other', 'default', 'p', '');"
      "INSERT INTO device_child VALUES ('child', 'ble', 0, 0, 0, false, '', 0);"
      "INSERT INTO hub_child (hub, child) VALUES ('due', 'child');"
      "INSERT INTO telemetry (device, received_at, channel, payload)"
      " SELECT d, now() - i * interval '1 second', 'c', 'x'"
      " FROM generate_series(1, 12000) AS i, unnest('{due,other}'::text[]) AS d;"
      "INSERT INTO event (device, received_at, name, event_at, arguments)"
      " SELECT 'due', now() - i * interval '1 second', 'a.b', now(), '{}'"
      " FROM generate_series(1, 12000) AS i;"
      "INSERT INTO property_sample (device, name, received_at, reported_at, value)"
      " SELECT d, 'a.' || i % 3, now() - i * interval '1 second', now(), '1'"
      " FROM generate_series(1, 12000) AS i, unnest('{due,other}'::text[]) AS d");
  REQUIRE(PurgeHistory(world.db(), "other").ok());  // which is not deleted
  Janitor janitor({.partitions = kPartitions, .postgres = world.postgres()}, appender, probe,
                  catalog);
  janitor.Start();
  CHECK(world.Becomes("SELECT string_agg(id, ' ' ORDER BY id) FROM device", "child other"));
  CHECK(world.Sql("SELECT count(*) FROM telemetry") == "12000");
  CHECK(world.Sql("SELECT count(*) FROM event") == "0");
  CHECK(world.Sql("SELECT count(*) FROM property_sample") == "12000");
  CHECK(world.Becomes("SELECT count(*) FROM device WHERE hub = 'due'", "0"));
  CHECK(world.Becomes("SELECT count(*) FROM device_child", "0"));
}

TEST_CASE("the janitor purges what is due, and nothing else") {
  World world;
  metrics::Registry metrics;
  ServiceProbe probe(metrics);
  CatalogProbe catalog(metrics);
  StreamAppender appender("registry-1", kPartitions, world.redis(), probe);
  world.Run(
      "INSERT INTO device (id, tenant, product, deleted_at, purge_at)"
      " SELECT 'due-' || i, 'default', 'p', now(), now() FROM generate_series(1, 120) AS i;"
      "INSERT INTO device (id, tenant, product, deleted_at, purge_at)"
      " VALUES ('later', 'default', 'p', now(), now() + interval '1 hour');"
      "INSERT INTO device (id, tenant, product) VALUES ('kept', 'default', 'p');"
      "INSERT INTO request_answer VALUES ('old', '', '', now() - interval '25 hours'),"
      " ('new', '', '', now());"
      "INSERT INTO audit (tenant, actor, action, resource, at) VALUES"
      " ('default', 'a', 'Old', 'r', now() - interval '366 days'), ('default', 'a', 'New', 'r',"
      " now())");
  Janitor janitor({.partitions = kPartitions, .postgres = world.postgres()}, appender, probe,
                  catalog);
  janitor.Start();
  CHECK(world.Becomes("SELECT string_agg(id, ' ' ORDER BY id) FROM device", "kept later"));
  CHECK(world.Becomes("SELECT count(*) FROM request_answer", "1"));
  CHECK(world.Becomes("SELECT count(*) FROM audit WHERE action IN ('Old', 'New')", "1"));
  CHECK(world.Sql("SELECT count(*) FROM audit WHERE actor = 'system:janitor'") == "120");
  CHECK(Eventually(
      [&] { return MetricOf(metrics, "homeport_registry_purged_total{kind=\"device\"}") == 120; }));
}

}  // namespace
}  // namespace homeport::registry::testing
