#include <atomic>
#include <thread>

#include "google/rpc/status.pb.h"
#include "tests/integration/registry/api.h"

// Tenants and their quotas.
namespace homeport::registry::testing {
namespace {

using tenant::v1::Tenant;

TEST_CASE("tenants: create, read, list, update, delete, and who may") {
  Api api;
  tenant::v1::CreateTenantRequest create;
  create.set_tenant_id("acme");
  create.mutable_tenant()->set_display_name("Acme");
  create.mutable_tenant()->set_kind(Tenant::BRAND);
  Tenant tenant;
  CHECK(ReasonFor(api.Call("operator user", *api.tenants, &Tenants::CreateTenant, create,
                           &tenant)) == "PERMISSION_DENIED");
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::CreateTenant, create, &tenant).ok());
  CHECK(tenant.name() == "tenants/acme");
  CHECK(tenant.etag() == "1");
  CHECK(ReasonFor(api.Call("platform", *api.tenants, &Tenants::CreateTenant, create, &tenant)) ==
        "TENANT_EXISTS");
  create.set_tenant_id("Acme");
  CHECK(ReasonFor(api.Call("platform", *api.tenants, &Tenants::CreateTenant, create, &tenant)) ==
        "FIELD_INVALID");

  tenant::v1::UpdateTenantRequest update;
  update.mutable_tenant()->set_name("tenants/acme");
  update.mutable_tenant()->set_etag("1");
  update.mutable_tenant()->mutable_quota()->set_devices(7);
  update.mutable_update_mask()->add_paths("quota.devices");
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::UpdateTenant, update, &tenant).ok());
  CHECK(tenant.quota().devices() == 7);
  CHECK(tenant.display_name() == "Acme");
  CHECK(ReasonFor(api.Call("platform", *api.tenants, &Tenants::UpdateTenant, update, &tenant)) ==
        "ETAG_MISMATCH");

  tenant::v1::GetTenantRequest get;
  get.set_name("tenants/acme");
  REQUIRE(api.Call("user", *api.tenants, &Tenants::GetTenant, get, &tenant, "acme").ok());
  CHECK(ReasonFor(api.Call("user", *api.tenants, &Tenants::GetTenant, get, &tenant)) ==
        "PERMISSION_DENIED");
  tenant::v1::ListTenantsRequest list;
  list.set_page_size(1);
  tenant::v1::ListTenantsResponse page;
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::ListTenants, list, &page).ok());
  CHECK(page.tenants(0).name() == "tenants/acme");
  list.set_page_token(page.next_page_token());
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::ListTenants, list, &page).ok());
  CHECK(page.tenants(0).name() == "tenants/default");
  CHECK(page.next_page_token().empty());

  tenant::v1::DeleteTenantRequest remove;
  remove.set_name("tenants/default");
  tenant::v1::DeleteTenantResponse removed;
  CHECK(ReasonFor(api.Call("platform", *api.tenants, &Tenants::DeleteTenant, remove, &removed)) ==
        "TENANT_NOT_EMPTY");
  remove.set_name("tenants/acme");
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::DeleteTenant, remove, &removed).ok());
  CHECK(ReasonFor(api.Call("platform", *api.tenants, &Tenants::GetTenant, get, &tenant)) ==
        "TENANT_NOT_FOUND");
  CHECK(api.world.Sql("SELECT string_agg(action, ' ' ORDER BY id) FROM audit "
                      "WHERE tenant = 'acme'") == "CreateTenant UpdateTenant DeleteTenant");
}

void SetQuota(Api& api, int64_t devices, int64_t products) {
  tenant::v1::UpdateTenantRequest update;
  update.mutable_tenant()->set_name("tenants/default");
  update.mutable_tenant()->mutable_quota()->set_devices(devices);
  update.mutable_tenant()->mutable_quota()->set_products(products);
  Tenant tenant;
  REQUIRE(api.Call("platform", *api.tenants, &Tenants::UpdateTenant, update, &tenant).ok());
}

grpc::Status CreateLamp(Api& api, const std::string& id) {
  device::v1::CreateDeviceRequest create;
  create.set_parent("tenants/-");
  create.set_device_id(id);
  create.mutable_device()->set_product(fmt::format("tenants/-/products/{}", kProduct));
  device::v1::CreateDeviceResponse created;
  return api.Call("operator", *api.devices, &Devices::CreateDevice, create, &created);
}

TEST_CASE("a quota of devices counts those that are not deleted, however they came") {
  Api api;
  Gateway gateway(api.world);
  SetQuota(api, 3, 0);
  gateway.Append({Connected("lamp-0")});
  CHECK(api.world.Becomes("SELECT sum(devices)::int8 FROM tenant_usage", "1"));
  REQUIRE(CreateLamp(api, "lamp-1").ok());
  const auto allows_registration = [&] {
    internal::v1::GetProductConfigRequest get;
    get.set_product(std::string(kProduct));
    internal::v1::ProductConfig config;
    REQUIRE(api.Call("service", *api.directory, &Directory::GetProductConfig, get, &config).ok());
    return config.allow_unregistered();
  };
  CHECK(allows_registration());
  REQUIRE(CreateLamp(api, "lamp-2").ok());
  CHECK_FALSE(allows_registration());
  const grpc::Status refused = CreateLamp(api, "lamp-3");
  CHECK(refused.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(ReasonFor(refused) == "QUOTA_EXCEEDED");
  CHECK(rpc::DetailsOf(refused).metadata["quota"] == "devices");
  google::rpc::Status details;
  REQUIRE(details.ParseFromString(refused.error_details()));
  google::rpc::QuotaFailure failure;
  REQUIRE(details.details_size() == 2);
  REQUIRE(details.details(1).UnpackTo(&failure));
  CHECK(failure.violations(0).subject() == "tenants/default");
  CHECK(ReasonFor(CreateLamp(api, "lamp-1")) == "DEVICE_EXISTS");

  device::v1::DeleteDeviceRequest remove;
  remove.set_name("tenants/-/devices/lamp-1");
  device::v1::Device device;
  REQUIRE(api.Call("operator", *api.devices, &Devices::DeleteDevice, remove, &device).ok());
  REQUIRE(CreateLamp(api, "lamp-3").ok());
  device::v1::UndeleteDeviceRequest undelete;
  undelete.set_name("tenants/-/devices/lamp-1");
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::UndeleteDevice, undelete,
                           &device)) == "QUOTA_EXCEEDED");
  tenant::v1::GetTenantRequest get;
  get.set_name("tenants/-");
  Tenant tenant;
  REQUIRE(api.Call("operator", *api.tenants, &Tenants::GetTenant, get, &tenant).ok());
  CHECK(tenant.usage().devices() == 3);
  CHECK(tenant.usage().products() == 1);
}

TEST_CASE("callers that race for the last places of a quota do not overrun it") {
  Api api;
  SetQuota(api, 5, 0);
  std::vector<std::thread> callers;
  std::atomic<int> created = 0;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&api, &created, i] {
      if (CreateLamp(api, fmt::format("lamp-{}", i)).ok()) ++created;
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(created == 5);
  CHECK(api.world.Sql("SELECT count(*) FROM device") == "5");
}

TEST_CASE("a quota of products") {
  Api api;
  SetQuota(api, 0, 1);
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/-");
  create.set_product_id("test.plug.one");
  product::v1::Product product;
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::CreateProduct, create,
                           &product)) == "QUOTA_EXCEEDED");
  SetQuota(api, 0, 2);
  CHECK(api.Call("operator", *api.products, &Products::CreateProduct, create, &product).ok());
}

}  // namespace
}  // namespace homeport::registry::testing
