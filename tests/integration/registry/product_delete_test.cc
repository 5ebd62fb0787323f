#include <thread>

#include "libs/postgres/in_transaction.h"
#include "services/registry/store/template_table.h"
#include "services/registry/store/translation_table.h"
#include "tests/integration/registry/api.h"

// Deleting a product: what goes with it, what keeps it, and who comes at the same moment.
namespace homeport::registry::testing {
namespace {

using google::protobuf::Empty;
using product::v1::DeleteProductRequest;

constexpr char kRequestId[] = "0d5e8a4e-7d0f-4c2b-9c0f-3b1f4a5c6d7e";
const std::string kName = fmt::format("tenants/default/products/{}", kProduct);

grpc::Status Delete(Api& api, std::string_view etag = "", std::string_view request_id = "",
                    std::string_view tenant = "default") {
  DeleteProductRequest request;
  request.set_name(kName);
  request.set_etag(std::string(etag));
  request.set_request_id(std::string(request_id));
  Empty nothing;
  return api.Call("operator", *api.products, &Products::DeleteProduct, request, &nothing, tenant);
}

product::v1::CreateProductRequest NewProduct() {
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/default");
  create.set_product_id(std::string(kProduct));
  return create;
}

DeviceRow Lamp(std::string_view id) {
  DeviceRow row;
  row.id = id;
  row.tenant = "default";
  row.product = kProduct;
  return row;
}

TEST_CASE("a product goes with all that refers to it, and gateways are told") {
  Api api;
  World& world = api.world;
  const Actor actor{"default", "test"};
  REQUIRE(PutTranslation(world.db(), actor, ProductId(std::string(kProduct)),
                         {.language = "de", .texts = "{}"})
              .ok());
  for (const char* name : {"lamps", "others"}) {
    const TemplateRow row{
        .tenant = "default",
        .name = name,
        .body = "{}",
        .product = name == std::string_view("lamps") ? std::string(kProduct) : "p"};
    REQUIRE(postgres::InTransaction(world.db(), [&](postgres::Transaction& transaction) {
              return CreateTemplate(transaction, actor, row);
            }).ok());
  }
  world.Run(
      fmt::format("INSERT INTO authority (tenant, id, pem, certificate_id, subject_sha256,"
                  " product) VALUES ('default', 'ca', '', 'c', '', '{}')",
                  kProduct));
  const std::string last = world.Sql("SELECT max(id) FROM directory_change");

  CHECK(ReasonFor(Delete(api, "7")) == "ETAG_MISMATCH");
  CHECK(ReasonFor(Delete(api, "", "", "other")) == "PERMISSION_DENIED");
  const std::string etag = world.Sql("SELECT version FROM product");
  internal::v1::GetProductConfigRequest asked;
  asked.set_product(std::string(kProduct));
  internal::v1::ProductConfig config;
  REQUIRE(api.Call("service", *api.directory, &Directory::GetProductConfig, asked, &config).ok());
  const std::string revision = config.revision();
  REQUIRE(Delete(api, etag, kRequestId).ok());
  CHECK(Delete(api, etag, kRequestId).ok());
  CHECK(ReasonFor(Delete(api)) == "PRODUCT_NOT_FOUND");

  CHECK(world.Sql("SELECT (SELECT count(*) FROM product) + (SELECT count(*) FROM product_version)"
                  " + (SELECT count(*) FROM product_translation)") == "0");
  CHECK(world.Sql("SELECT string_agg(name, ' ') FROM provisioning_template") == "others");
  CHECK(world.Sql("SELECT product FROM authority") == "");
  CHECK(world.Sql("SELECT string_agg(action || ' ' || resource, ', ' ORDER BY id) FROM audit "
                  "WHERE action ~ '^Delete|^UpdateAuthority'") ==
        fmt::format("DeleteTemplate provisioningTemplates/lamps, DeleteProduct products/{}, "
                    "UpdateAuthority authorities/ca",
                    kProduct));
  CHECK(world.Sql("SELECT string_agg(kind || ' ' || name || ' ' || revoked, ', ' ORDER BY id) "
                  "FROM directory_change WHERE id > " +
                  last) == fmt::format("4 default/ca false, 2 {} true", kProduct));
  CHECK(ReasonFor(api.Call("service", *api.directory, &Directory::GetProductConfig, asked,
                           &config)) == "PRODUCT_NOT_FOUND");

  product::v1::Product again;
  CHECK(api.Call("operator", *api.products, &Products::CreateProduct, NewProduct(), &again).ok());
  CHECK(again.model_version() == 0);
  REQUIRE(api.Call("service", *api.directory, &Directory::GetProductConfig, asked, &config).ok());
  CHECK(config.revision() != revision);
}

TEST_CASE("a product with devices stays, also while they are deleted and not purged") {
  Api api;
  REQUIRE(RegisterDevice(api.world.db(), {"default", "test"}, Lamp("lamp-1")).ok());
  grpc::Status status = Delete(api);
  CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(ReasonFor(status) == "PRODUCT_NOT_EMPTY");
  device::v1::DeleteDeviceRequest remove;
  remove.set_name("tenants/default/devices/lamp-1");
  device::v1::Device device;
  REQUIRE(api.Call("operator", *api.devices, &Devices::DeleteDevice, remove, &device).ok());
  CHECK(ReasonFor(Delete(api)) == "PRODUCT_NOT_EMPTY");
  device::v1::PurgeDeviceRequest purge;
  purge.set_name("tenants/default/devices/lamp-1");
  device::v1::PurgeDeviceResponse purged;
  REQUIRE(api.Call("operator", *api.devices, &Devices::PurgeDevice, purge, &purged).ok());
  CHECK(Delete(api).ok());
}

// Whether somebody waits for a row that another transaction has locked.
bool SomebodyWaits(World& world) {
  return world.Becomes("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted", "t");
}

TEST_CASE("who deletes a product and who makes a device of it wait for one another") {
  Api api;
  World& world = api.world;
  const auto other = postgres::Connection::Open(world.postgres());
  REQUIRE(other.ok());
  SECTION("the device is first") {
    postgres::Transaction transaction(**other);
    REQUIRE(CreateDevice(transaction, Lamp("lamp-1")).ok());
    std::string reason;
    std::thread deleting([&] { reason = ReasonFor(Delete(api)); });
    CHECK(SomebodyWaits(world));
    CHECK(transaction.Commit().ok());
    deleting.join();
    CHECK(reason == "PRODUCT_NOT_EMPTY");
  }
  SECTION("the product is first") {
    postgres::Transaction transaction(**other);
    const auto row =
        LockProduct(transaction, TenantId("default"), ProductId(std::string(kProduct)), 0);
    REQUIRE(row.ok());
    REQUIRE(DeleteProduct(transaction, {"default", "test"}, *row).ok());
    device::v1::CreateDeviceRequest create;
    create.set_parent("tenants/default");
    create.set_device_id("lamp-1");
    create.mutable_device()->set_product(kName);
    std::string reason;
    std::thread creating([&] {
      device::v1::CreateDeviceResponse created;
      reason =
          ReasonFor(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &created));
    });
    CHECK(SomebodyWaits(world));
    CHECK(transaction.Commit().ok());
    creating.join();
    CHECK(reason == "PRODUCT_NOT_FOUND");
  }
}

// The gateway had let it in: the product was there when it checked the fleet key.
TEST_CASE("a device whose product went before it was registered never is; the stream goes on") {
  Api api;
  World& world = api.world;
  Gateway gateway(world);
  const std::vector<std::string> lamps = DevicesOf(0, 3);
  gateway.Append({Connected(lamps[0])});
  CHECK(world.Becomes("SELECT count(*) FROM device", "1"));  // the product is in memory now
  world.Run("DELETE FROM device");
  REQUIRE(Delete(api).ok());
  gateway.Append({Connected(lamps[1])});
  CHECK(Eventually([&] {
    return MetricOf(api.metrics(),
                    "homeport_registry_refusals_total{reason=\"unknown_product\"}") >= 1;
  }));
  CHECK(world.Sql("SELECT count(*) FROM device") == "0");

  product::v1::CreateProductRequest create = NewProduct();
  create.mutable_product()->set_allow_unregistered(true);
  product::v1::Product again;
  REQUIRE(api.Call("operator", *api.products, &Products::CreateProduct, create, &again).ok());
  uint64_t epoch = 0;  // that there was none is remembered for a second
  CHECK(Eventually([&] {
    gateway.Append({Connected(lamps[2], ++epoch)});
    return world.Sql("SELECT id FROM device") == lamps[2];
  }));
}

}  // namespace
}  // namespace homeport::registry::testing
