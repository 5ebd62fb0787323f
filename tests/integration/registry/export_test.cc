#include <algorithm>
#include <set>
#include <vector>

#include "google/rpc/status.pb.h"
#include "services/registry/janitor.h"
#include "services/registry/operations/work.h"
#include "tests/integration/registry/operations.h"

// Exports: every device once, whichever pod stores it; within limits, for a time, for one tenant.
namespace homeport::registry::testing {
namespace {

using device::v1::Device;
using device::v1::ExportDevicesRequest;
using device::v1::ExportDevicesResponse;
using device::v1::ListExportedDevicesRequest;
using device::v1::ListExportedDevicesResponse;
using google::longrunning::Operation;
using Names = std::vector<std::string>;

constexpr char kRequestId[] = "0d5e8a4e-7d0f-4c2b-9c0f-3b1f4a5c6d7e";

void MakeDevices(World& world, int count, std::string_view prefix = "lamp",
                 std::string_view tenant = "default") {
  world.Run(
      fmt::format("INSERT INTO device (id, tenant, product, labels) SELECT '{}-' || i, '{}', '{}',"
                  " jsonb_build_object('room', CASE WHEN i % 10 = 0 THEN 'hall' ELSE 'bath' END) "
                  "FROM generate_series(1, {}) AS i",
                  prefix, tenant, kProduct, count));
}

// The names of the devices for which `condition` holds, in order.
Names DevicesWhere(World& world, std::string_view condition) {
  const auto rows = world.db().Query(fmt::format(
      "SELECT 'tenants/default/devices/' || id FROM device WHERE {} ORDER BY id", condition));
  REQUIRE(rows.ok());
  Names names;
  for (size_t i = 0; i < rows->size(); ++i) names.emplace_back(rows->Text(i, 0));
  return names;
}

ExportDevicesRequest All(const char* parent = "tenants/-") {
  ExportDevicesRequest request;
  request.set_parent(parent);
  return request;
}

Operation Start(Api& api, const ExportDevicesRequest& request) {
  Operation operation;
  const grpc::Status status =
      api.Call("operator", *api.devices, &Devices::ExportDevices, request, &operation);
  REQUIRE(status.error_message() == "");
  return operation;
}

std::string ReasonOfExport(Api& api, const ExportDevicesRequest& request,
                           std::string_view tenant = "default") {
  Operation operation;
  return ReasonFor(
      api.Call("operator", *api.devices, &Devices::ExportDevices, request, &operation, tenant));
}

grpc::Status List(Api& api, const ListExportedDevicesRequest& request,
                  ListExportedDevicesResponse& page, std::string_view tenant = "default") {
  page.Clear();
  return api.Call("operator", *api.devices, &Devices::ListExportedDevices, request, &page, tenant);
}

std::string ReasonOfList(Api& api, const std::string& operation,
                         std::string_view tenant = "default") {
  ListExportedDevicesRequest request;
  request.set_parent(operation);
  ListExportedDevicesResponse page;
  return ReasonFor(List(api, request, page, tenant));
}

// All pages, in their order.
Names Read(Api& api, const std::string& operation, int32_t page_size) {
  ListExportedDevicesRequest request;
  request.set_parent(operation);
  request.set_page_size(page_size);
  Names names;
  do {
    ListExportedDevicesResponse page;
    REQUIRE(List(api, request, page).error_message() == "");
    CHECK(page.devices_size() <= page_size);
    for (const Device& device : page.devices()) names.push_back(device.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return names;
}

template <typename Message>
Message Unpack(const google::protobuf::Any& any) {
  Message message;
  REQUIRE(any.UnpackTo(&message));
  return message;
}

TEST_CASE("an export holds every device of its tenant once, page by page") {
  Api api;
  MakeDevices(api.world, 1234);
  MakeDevices(api.world, 10, "foreign", "other");
  api.world.Run(
      "UPDATE device SET deleted_at = now(), purge_at = now() + interval '1 day' WHERE id LIKE "
      "'lamp-7%'");
  const Operation operation = AwaitDone(api, Start(api, All()));
  const Names kept = DevicesWhere(api.world, "tenant = 'default' AND deleted_at IS NULL");
  CHECK(Unpack<ExportDevicesResponse>(operation.response()).devices_exported() ==
        static_cast<int64_t>(kept.size()));
  const auto metadata = Unpack<device::v1::ExportDevicesMetadata>(operation.metadata());
  CHECK(metadata.devices_done() == 1234);
  CHECK(metadata.devices_exported() == static_cast<int64_t>(kept.size()));
  CHECK(Read(api, operation.name(), 97) == kept);
  CHECK(Read(api, operation.name(), 1000) == kept);
  CHECK(MetricOf(api.metrics(), "homeport_registry_export_devices_total") ==
        static_cast<double>(kept.size()));
  CHECK(api.world.Sql("SELECT count(*) FROM audit WHERE action = 'ExportDevices'") == "1");

  // As it was, whatever has become of the devices since.
  api.world.Run("DELETE FROM device WHERE id = 'lamp-1'");
  CHECK(Read(api, operation.name(), 500) == kept);

  ExportDevicesRequest with_deleted = All();
  with_deleted.set_show_deleted(true);
  const Operation everything = AwaitDone(api, Start(api, with_deleted));
  CHECK(Read(api, everything.name(), 333) == DevicesWhere(api.world, "tenant = 'default'"));
}

TEST_CASE("an export of none, of a filter, and of one that cannot be") {
  Api api;
  ExportDevicesRequest request = All();
  CHECK(Read(api, AwaitDone(api, Start(api, request)).name(), 10).empty());
  MakeDevices(api.world, 1100);
  request.set_filter("labels.room = hall AND online = false");
  const Operation operation = AwaitDone(api, Start(api, request));
  CHECK(Read(api, operation.name(), 7) == DevicesWhere(api.world, "labels ->> 'room' = 'hall'"));
  request.set_filter("color = red");
  CHECK(ReasonOfExport(api, request) == "FILTER_INVALID");
  request.set_filter("name = ");
  CHECK(ReasonOfExport(api, request) == "FILTER_INVALID");
}

TEST_CASE("a page of large devices is as long as a message allows, and skips none") {
  const auto [bytes, devices] = GENERATE(std::pair(15'000, 600), std::pair(3'000, 2'500));
  Api api;
  api.world.Run(
      fmt::format("INSERT INTO device (id, tenant, product, attributes) SELECT 'lamp-' || i,"
                  " 'default', '{}', jsonb_build_object('a', repeat('x', {})) "
                  "FROM generate_series(1, {}) AS i",
                  kProduct, bytes, devices));
  const Operation operation = AwaitDone(api, Start(api, All()));
  CHECK(Read(api, operation.name(), 1000) == DevicesWhere(api.world, "true"));
}

TEST_CASE("the same export sent again is the same operation") {
  Api api;
  MakeDevices(api.world, 3);
  ExportDevicesRequest request = All();
  request.set_request_id(kRequestId);
  const Operation first = Start(api, request);
  AwaitDone(api, first);
  CHECK(Start(api, request).name() == first.name());
  CHECK(api.world.Sql("SELECT count(*) FROM operation") == "1");
  request.set_filter("online = true");
  CHECK(ReasonOfExport(api, request) == "REQUEST_ID_REUSED");
  request.clear_request_id();
  CHECK(Start(api, request).name() != first.name());
}

TEST_CASE("who may read an export, when, and with which page token") {
  Api api;
  MakeDevices(api.world, 3);
  const Operation first = AwaitDone(api, Start(api, All()));
  const Operation second = AwaitDone(api, Start(api, All()));
  CHECK(ReasonOfList(api, first.name(), "other") == "PERMISSION_DENIED");
  CHECK(ReasonOfExport(api, All("tenants/default"), "other") == "PERMISSION_DENIED");
  ListExportedDevicesRequest request;
  request.set_parent(first.name());
  request.set_page_size(2);
  ListExportedDevicesResponse page;
  CHECK(
      api.Call("user", *api.devices, &Devices::ListExportedDevices, request, &page).error_code() ==
      grpc::StatusCode::PERMISSION_DENIED);
  REQUIRE(List(api, request, page).ok());
  request.set_page_token(page.next_page_token());
  REQUIRE(List(api, request, page).ok());
  CHECK(page.devices_size() == 1);
  request.set_parent(second.name());
  CHECK(ReasonFor(List(api, request, page)) == "PAGE_TOKEN_INVALID");
  CHECK(ReasonOfList(api, "tenants/-/operations/abc") == "OPERATION_NOT_FOUND");

  api.world.Run(
      "INSERT INTO operation (tenant, id, kind, actor, request, rows, done, owner, lease_until) "
      "VALUES ('default', '1', 0, 'a', '', 0, true, '', now()),"
      " ('default', '2', 1, 'a', '', 0, false, 'x', now() + interval '1 hour')");
  CHECK(ReasonOfList(api, "tenants/-/operations/1") == "OPERATION_NOT_FOUND");
  CHECK(ReasonOfList(api, "tenants/-/operations/2") == "OPERATION_RUNNING");

  google::longrunning::DeleteOperationRequest remove;
  remove.set_name(first.name());
  google::protobuf::Empty nothing;
  REQUIRE(
      api.Call("operator", *api.operations, &Operations::DeleteOperation, remove, &nothing).ok());
  CHECK(ReasonOfList(api, first.name()) == "OPERATION_NOT_FOUND");
  CHECK(api.world.Sql("SELECT count(*) FROM export_chunk") == "1");
}

TEST_CASE("a tenant's unfinished exports are limited") {
  Api api([](RegistryConfig& config) { config.exports_unfinished_max = 2; });
  const auto unfinished = [&](std::string_view id) {
    api.world.Run(
        fmt::format("INSERT INTO operation (tenant, id, kind, actor, request, rows, owner,"
                    " lease_until) VALUES ('default', '{}', 1, 'a', '', 0, 'registry-9',"
                    " now() + interval '1 hour')",
                    id));
  };
  unfinished("1");
  AwaitDone(api, Start(api, All()));
  unfinished("2");
  Operation operation;
  const grpc::Status status =
      api.Call("operator", *api.devices, &Devices::ExportDevices, All(), &operation);
  CHECK(status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(ReasonFor(status) == "EXPORTS_UNFINISHED_MAX");
  CHECK(rpc::DetailsOf(status).metadata.at("quota_subject") == "tenants/default");
  CHECK(MetricOf(api.metrics(),
                 "homeport_registry_refusals_total{reason=\"exports_unfinished_max\"}") == 1);
  CHECK(ReasonOfExport(api, All(), "other").empty());
  api.world.Run("UPDATE operation SET done = true");
  CHECK(ReasonOfExport(api, All()).empty());
}

TEST_CASE("what a tenant's exports hold is limited") {
  Api api([](RegistryConfig& config) { config.export_devices_max = 1500; });
  MakeDevices(api.world, 1000);
  const Operation first = AwaitDone(api, Start(api, All()));
  CHECK(first.has_response());
  const Operation second = AwaitDone(api, Start(api, All()));
  CHECK(second.error().code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(second.error().details_size() == 1);
  CHECK(Unpack<google::rpc::ErrorInfo>(second.error().details(0)).reason() == "EXPORT_DEVICES_MAX");
  CHECK(ReasonOfList(api, second.name()) == "EXPORT_FAILED");
  CHECK(api.world.Sql("SELECT sum(devices) FROM export_chunk") == "1000");
  CHECK(MetricOf(api.metrics(),
                 "homeport_registry_refusals_total{reason=\"export_devices_max\"}") == 1);

  MakeDevices(api.world, 500, "plug");
  ExportDevicesRequest plugs = All();
  plugs.set_filter("name = \"plug*\"");
  CHECK(AwaitDone(api, Start(api, plugs)).has_response());
  CHECK(ReasonOfExport(api, plugs) == "EXPORT_DEVICES_MAX");
  api.world.Run("DELETE FROM operation WHERE id = '" +
                first.name().substr(first.name().rfind('/') + 1) + "'");
  CHECK(AwaitDone(api, Start(api, plugs)).has_response());
}

struct Waiting : Runners {
  explicit Waiting(int devices) {
    MakeDevices(world, devices);
    Add("1", OperationKind::kExport, All(), devices);
  }
  // What the chunks hold, in their order.
  Names Held() {
    const auto rows =
        world.db().Query("SELECT first::int8, content FROM export_chunk ORDER BY first");
    REQUIRE(rows.ok());
    Names names;
    for (size_t i = 0; i < rows->size(); ++i) {
      ListExportedDevicesResponse chunk;
      REQUIRE(chunk.ParseFromString(rows->Bytes(i, 1)));
      CHECK(rows->Int8(i, 0) == static_cast<int64_t>(names.size()));
      for (const Device& device : chunk.devices()) names.push_back(device.name());
    }
    return names;
  }
};

TEST_CASE("an export whose pod died goes on behind its last chunk, with no device twice") {
  Waiting waiting(1000);
  World& world = waiting.world;
  const Hold dead{"registry-1", 300};
  auto claimed = ClaimOperation(world.db(), dead);
  REQUIRE(claimed.ok());
  REQUIRE(claimed->has_value());
  OperationRow operation = **claimed;
  const auto work = MakeExportWork(operation, {.chunk_rows = 10}, waiting.catalog);
  REQUIRE(work.ok());
  for (int chunk = 0; chunk < 30; ++chunk) {
    REQUIRE((*work)->RunChunk(world.db(), dead, operation).ok());
  }
  const std::string last = operation.last_key;
  CHECK(waiting.Held().size() == 300);
  // Meanwhile devices come and go, on either side of where it is.
  world.Run(
      "INSERT INTO device (id, tenant, product) VALUES ('a', 'default', 'p'),"
      " ('z', 'default', 'p')");
  world.Run(
      fmt::format("DELETE FROM device WHERE id = (SELECT min(id) FROM device WHERE id > '{}')"
                  " OR id = '{}'",
                  last, last));
  const std::unique_ptr<OperationRunner> second = waiting.Runner("registry-2", 50);
  const std::unique_ptr<OperationRunner> third = waiting.Runner("registry-3", 70);
  second->Start();
  third->Start();
  CHECK(world.Becomes("SELECT done FROM operation", "t"));
  Names expected = DevicesWhere(world, "id <> 'a'");
  expected.push_back("tenants/default/devices/" + last);
  std::sort(expected.begin(), expected.end());
  CHECK(waiting.Held() == expected);
  // It was not dead, but frozen: what it has under way is not added.
  CHECK((*work)->RunChunk(world.db(), dead, operation).code() == absl::StatusCode::kAborted);
  CHECK(waiting.Held() == expected);
}

TEST_CASE("a pod that stops hands its export over") {
  Waiting waiting(2000);
  std::unique_ptr<OperationRunner> first = waiting.Runner("registry-1", 5);
  first->Start();
  CHECK(waiting.world.Becomes("SELECT next_row > 50 FROM operation", "t"));
  first.reset();
  REQUIRE(waiting.world.Sql("SELECT done || owner FROM operation") == "false");
  const std::unique_ptr<OperationRunner> second = waiting.Runner("registry-2", 500);
  second->Start();
  CHECK(waiting.world.Becomes("SELECT done FROM operation", "t"));
  CHECK(waiting.Held() == DevicesWhere(waiting.world, "true"));
}

TEST_CASE("a long export does not hold up what is asked for behind it") {
  Waiting waiting(3000);
  const std::unique_ptr<OperationRunner> runner = waiting.Runner("registry-1", 1, /*turn_ms=*/0);
  runner->Start();
  CHECK(waiting.world.Becomes("SELECT next_row > 10 FROM operation", "t"));
  device::v1::ImportDevicesRequest import;
  import.add_rows()->set_device_id("plug-1");
  import.mutable_rows(0)->mutable_device()->set_product(
      fmt::format("tenants/-/products/{}", kProduct));
  waiting.Add("2", OperationKind::kImport, import, 1);
  CHECK(waiting.world.Becomes("SELECT done FROM operation WHERE id = '2'", "t"));
  CHECK(waiting.world.Sql("SELECT done FROM operation WHERE id = '1'") == "f");
  CHECK(waiting.world.Sql("SELECT created FROM operation WHERE id = '2'") == "1");
}

TEST_CASE("a cancelled export holds nothing") {
  Waiting waiting(2000);
  const std::unique_ptr<OperationRunner> runner = waiting.Runner("registry-1", 5);
  runner->Start();
  CHECK(waiting.world.Becomes("SELECT next_row > 50 FROM operation", "t"));
  REQUIRE(CancelOperation(waiting.world.db(), TenantId("default"), "1").ok());
  CHECK(waiting.world.Becomes("SELECT done || ' ' || error || ' ' || exported FROM operation",
                              "true cancelled 0"));
  CHECK(waiting.Held().empty());
}

TEST_CASE("what an export holds ends with its operation's retention") {
  Waiting waiting(20);
  World& world = waiting.world;
  const std::unique_ptr<OperationRunner> runner = waiting.Runner("registry-2", 5);
  runner->Start();
  CHECK(world.Becomes("SELECT done FROM operation", "t"));
  world.Run(
      "INSERT INTO operation (tenant, id, kind, actor, request, rows, done, updated_at) "
      "SELECT 'default', 'old-' || i, 1, 'a', '', 0, true, now() - interval '31 days' "
      "FROM generate_series(1, 3) AS i;"
      "INSERT INTO export_chunk SELECT 'default', 'old-' || i, 0, 1, '' "
      "FROM generate_series(1, 3) AS i;"
      "INSERT INTO operation (tenant, id, kind, actor, request, rows, updated_at, owner,"
      " lease_until) VALUES ('default', 'running', 1, 'a', '', 0, now() - interval '31 days', 'x',"
      " 'infinity')");
  StreamAppender appender("registry-1", kPartitions, world.redis(), waiting.probe);
  Janitor janitor({.partitions = kPartitions, .postgres = world.postgres()}, appender,
                  waiting.probe, waiting.catalog);
  janitor.Start();
  CHECK(world.Becomes("SELECT string_agg(id, ' ' ORDER BY id) FROM operation", "1 running"));
  CHECK(world.Sql("SELECT string_agg(DISTINCT operation, ' ') FROM export_chunk") == "1");
  CHECK(waiting.Held().size() == 20);
}

}  // namespace
}  // namespace homeport::registry::testing
