#include <atomic>
#include <thread>

#include "libs/routing/keys.h"
#include "tests/integration/registry/api.h"

// Devices as the API keeps them: fields, lifecycle, deletion, repeated requests, the audit log.
namespace homeport::registry::testing {
namespace {

using device::v1::Device;

constexpr char kLamp[] = "tenants/-/devices/lamp-1";
constexpr char kRequestId[] = "0d5e8a4e-7d0f-4c2b-9c0f-3b1f4a5c6d7e";

device::v1::CreateDeviceRequest LampRequest(std::string_view id) {
  device::v1::CreateDeviceRequest create;
  create.set_parent("tenants/-");
  create.set_device_id(std::string(id));
  create.mutable_device()->set_product(fmt::format("tenants/-/products/{}", kProduct));
  return create;
}

Device CreateLamp(Api& api, std::string_view id = "lamp-1") {
  device::v1::CreateDeviceResponse created;
  REQUIRE(
      api.Call("operator", *api.devices, &Devices::CreateDevice, LampRequest(id), &created).ok());
  return created.device();
}

grpc::Status Get(Api& api, Device& device, const char* name = kLamp) {
  device::v1::GetDeviceRequest get;
  get.set_name(name);
  return api.Call("user", *api.devices, &Devices::GetDevice, get, &device);
}

// Calls a verb whose request has a name, an etag and a request_id.
template <typename Request, typename Method>
grpc::Status Verb(Api& api, Method method, Device& device, std::string_view etag = "",
                  std::string_view request_id = "") {
  Request request;
  request.set_name(kLamp);
  request.set_etag(std::string(etag));
  request.set_request_id(std::string(request_id));
  return api.Call("operator", *api.devices, method, request, &device);
}

TEST_CASE("a device has labels, attributes, groups, and a mask says which change") {
  Api api;
  device::v1::CreateDeviceRequest create = LampRequest("lamp-1");
  create.mutable_device()->set_display_name("Lamp in the hall");
  (*create.mutable_device()->mutable_labels())["room"] = "hall";
  (*create.mutable_device()->mutable_attributes())["floor"] = "2";
  for (const char* group : {"b", "a", "b"}) create.mutable_device()->add_groups(group);
  device::v1::CreateDeviceResponse created;
  REQUIRE(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &created).ok());
  CHECK(created.device().etag() == "1");
  CHECK(created.device().state() == Device::PROVISIONED);
  CHECK(created.device().groups_size() == 2);

  device::v1::UpdateDeviceRequest update;
  update.mutable_device()->set_name(kLamp);
  update.mutable_device()->set_etag("1");
  (*update.mutable_device()->mutable_labels())["zone"] = "north";
  update.mutable_device()->set_firmware_version("1.2");
  for (const char* path : {"labels.zone", "labels.room", "firmware_version", "state", "groups"}) {
    update.mutable_update_mask()->add_paths(path);
  }
  Device device;
  REQUIRE(api.Call("operator", *api.devices, &Devices::UpdateDevice, update, &device).ok());
  CHECK(device.etag() == "2");
  CHECK(device.labels().size() == 1);
  CHECK(device.labels().at("zone") == "north");
  CHECK(device.attributes().at("floor") == "2");
  CHECK(device.groups_size() == 0);
  CHECK(device.firmware_version() == "1.2");
  CHECK(device.display_name() == "Lamp in the hall");
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::UpdateDevice, update, &device)) ==
        "ETAG_MISMATCH");

  // Without a mask, what is set.
  update.Clear();
  update.mutable_device()->set_name(kLamp);
  update.mutable_device()->set_display_name("Lamp");
  REQUIRE(api.Call("operator", *api.devices, &Devices::UpdateDevice, update, &device).ok());
  CHECK(device.display_name() == "Lamp");
  CHECK(device.firmware_version() == "1.2");

  const auto refused = [&](const char* path, auto change) {
    device::v1::UpdateDeviceRequest bad;
    bad.mutable_device()->set_name(kLamp);
    bad.mutable_update_mask()->add_paths(path);
    change(*bad.mutable_device());
    const grpc::Status status =
        api.Call("operator", *api.devices, &Devices::UpdateDevice, bad, &device);
    const rpc::ErrorDetails details = rpc::DetailsOf(status);
    CHECK(details.reason == "FIELD_INVALID");
    REQUIRE(details.violations.size() == 1);
    return details.violations[0].field;
  };
  CHECK(refused("color", [](Device&) {}) == "update_mask");
  CHECK(refused("groups", [](Device& d) { d.add_groups("a b"); }) == "device.groups[0]");
  CHECK(refused("labels", [](Device& d) { (*d.mutable_labels())["a b"] = ""; }) == "device.labels");
  CHECK(refused("labels", [](Device& d) { (*d.mutable_labels())["a"] = std::string(129, 'x'); }) ==
        "device.labels[a]");
  CHECK(refused("display_name", [](Device& d) { d.set_display_name("\n"); }) ==
        "device.display_name");
}

TEST_CASE("only the verbs change a device's state") {
  Api api;
  Gateway gateway(api.world);
  CreateLamp(api);
  gateway.Append({Connected("lamp-1", 3)});
  Device device;
  CHECK(Eventually([&] { return Get(api, device).ok() && device.state() == Device::ACTIVE; }));
  const auto blocked = [&] {
    return api.world.Redis(
        {"HEXISTS", routing::SessionKey("lamp-1"), std::string(routing::kBlockedField)});
  };
  REQUIRE(Verb<device::v1::DisableDeviceRequest>(api, &Devices::DisableDevice, device).ok());
  CHECK(device.state() == Device::DISABLED);
  CHECK(blocked() == "1");
  CHECK(gateway.AwaitInbox(1)[0].kick().epoch() == 3);
  REQUIRE(Verb<device::v1::EnableDeviceRequest>(api, &Devices::EnableDevice, device).ok());
  CHECK(device.state() == Device::ACTIVE);
  CHECK(blocked() == "0");
  CHECK(ReasonFor(Verb<device::v1::RetireDeviceRequest>(api, &Devices::RetireDevice, device,
                                                        "1")) == "ETAG_MISMATCH");
  REQUIRE(Verb<device::v1::RetireDeviceRequest>(api, &Devices::RetireDevice, device, device.etag())
              .ok());
  CHECK(device.state() == Device::RETIRED);
  CHECK(ReasonFor(Verb<device::v1::EnableDeviceRequest>(api, &Devices::EnableDevice, device)) ==
        "DEVICE_RETIRED");
  internal::v1::GetDeviceConfigRequest get_config;
  get_config.set_device("lamp-1");
  internal::v1::DeviceConfig config;
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetDeviceConfig, get_config, &config).ok());
  CHECK(config.disabled());
}

TEST_CASE("a deleted device comes back with all it had, a purged one does not") {
  Api api;
  Gateway gateway(api.world);
  const Device lamp = CreateLamp(api);
  gateway.Append({Connected("lamp-1"), Brightness("lamp-1", 4)});
  CHECK(api.world.Becomes("SELECT version FROM shadow", "1"));
  Device device;
  REQUIRE(Verb<device::v1::DeleteDeviceRequest>(api, &Devices::DeleteDevice, device).ok());
  CHECK(device.has_delete_time());
  CHECK(device.purge_time().seconds() - device.delete_time().seconds() == 30 * 86'400);
  CHECK(gateway.AwaitInbox(1)[0].has_kick());
  CHECK(Get(api, device).ok());
  CHECK(device.has_delete_time());
  CHECK(ReasonFor(Verb<device::v1::DeleteDeviceRequest>(api, &Devices::DeleteDevice, device)) ==
        "DEVICE_DELETED");
  CHECK(ReasonFor(Verb<device::v1::EnableDeviceRequest>(api, &Devices::EnableDevice, device)) ==
        "DEVICE_DELETED");
  device::v1::CreateDeviceResponse again;
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::CreateDevice, LampRequest("lamp-1"),
                           &again)) == "DEVICE_EXISTS");

  REQUIRE(Verb<device::v1::UndeleteDeviceRequest>(api, &Devices::UndeleteDevice, device).ok());
  CHECK_FALSE(device.has_delete_time());
  CHECK(api.world.Sql("SELECT count(*) FROM credential") == "1");
  CHECK(api.world.Sql("SELECT version FROM shadow WHERE NOT deleted") == "1");
  CHECK(ReasonFor(Verb<device::v1::UndeleteDeviceRequest>(api, &Devices::UndeleteDevice, device)) ==
        "DEVICE_NOT_DELETED");

  device::v1::PurgeDeviceRequest purge;
  purge.set_name(kLamp);
  device::v1::PurgeDeviceResponse purged;
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::PurgeDevice, purge, &purged)) ==
        "DEVICE_NOT_DELETED");
  REQUIRE(Verb<device::v1::DeleteDeviceRequest>(api, &Devices::DeleteDevice, device).ok());
  REQUIRE(api.Call("operator", *api.devices, &Devices::PurgeDevice, purge, &purged).ok());
  CHECK(ReasonFor(Get(api, device)) == "DEVICE_NOT_FOUND");
  CHECK(api.world.Sql("SELECT count(*) FROM credential") == "0");
  CHECK(api.world.Sql("SELECT deleted::text FROM shadow") == "true");
  CHECK(CreateLamp(api).etag() == "1");
  CHECK(api.world.Sql("SELECT sum(devices)::int8 FROM tenant_usage") == "1");
}

TEST_CASE("a request sent again gets its first answer, secret included, and changes nothing") {
  Api api;
  device::v1::CreateDeviceRequest create = LampRequest("lamp-1");
  for (const char* key : {"a", "b", "c", "d"})
    (*create.mutable_device()->mutable_labels())[key] = key;
  create.set_request_id(kRequestId);
  device::v1::CreateDeviceResponse first, second;
  REQUIRE(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &first).ok());
  REQUIRE(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &second).ok());
  CHECK(first.secret() == second.secret());
  CHECK(first.device().etag() == second.device().etag());
  CHECK(api.world.Sql("SELECT count(*) FROM audit WHERE action = 'CreateDevice'") == "1");
  // What is stored tells neither the request id nor the secret.
  CHECK(api.world.Sql(fmt::format(
            "SELECT count(*) FROM request_answer WHERE position('{}'::bytea IN answer) > 0"
            " OR position('{}'::bytea IN answer || key || fingerprint) > 0",
            first.secret(), kRequestId)) == "0");

  Device device;
  using Disable = device::v1::DisableDeviceRequest;
  CHECK(ReasonFor(Verb<Disable>(api, &Devices::DisableDevice, device, "", kRequestId)) ==
        "REQUEST_ID_REUSED");
  CHECK(ReasonFor(Verb<Disable>(api, &Devices::DisableDevice, device, "", "x")) == "FIELD_INVALID");
  create.set_device_id("lamp-2");
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &second)) ==
        "REQUEST_ID_REUSED");
}

TEST_CASE("the same request at the same time has one effect and one answer") {
  Api api;
  device::v1::CreateDeviceRequest create = LampRequest("lamp-1");
  create.set_request_id(kRequestId);
  std::vector<std::string> secrets(8);
  std::vector<std::thread> callers;
  for (std::string& secret : secrets) {
    callers.emplace_back([&api, &create, &secret] {
      device::v1::CreateDeviceResponse created;
      if (api.Call("operator", *api.devices, &Devices::CreateDevice, create, &created).ok()) {
        secret = created.secret();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const std::string& secret : secrets) CHECK(secret == secrets[0]);
  CHECK_FALSE(secrets[0].empty());
  CHECK(api.world.Sql("SELECT count(*) FROM audit WHERE action = 'CreateDevice'") == "1");
}

TEST_CASE("of updates with the same etag one wins; without an etag none is lost") {
  Api api;
  CreateLamp(api);
  constexpr int kCallers = 8;
  const auto race = [&api](const char* etag) {
    std::vector<std::thread> callers;
    std::atomic<int> won = 0;
    for (int i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        device::v1::UpdateDeviceRequest update;
        update.mutable_device()->set_name(kLamp);
        update.mutable_device()->set_etag(etag);
        const std::string key = fmt::format("key-{}", i);
        (*update.mutable_device()->mutable_labels())[key] = "x";
        update.mutable_update_mask()->add_paths("labels." + key);
        Device device;
        if (api.Call("operator", *api.devices, &Devices::UpdateDevice, update, &device).ok()) ++won;
      });
    }
    for (std::thread& caller : callers) caller.join();
    return won.load();
  };
  CHECK(race("1") == 1);
  CHECK(race("") == kCallers);
  Device device;
  REQUIRE(Get(api, device).ok());
  CHECK(device.etag() == std::to_string(1 + 1 + kCallers));
  CHECK(device.labels().size() == kCallers);
}

TEST_CASE("the audit log says who changed what, newest first, and tells no secret") {
  Api api;
  CreateLamp(api, "lamp-2");
  device::v1::CreateDeviceResponse created;
  REQUIRE(
      api.Call("operator", *api.devices, &Devices::CreateDevice, LampRequest("lamp-1"), &created)
          .ok());
  device::v1::RotateSecretRequest rotate;
  rotate.set_name(kLamp);
  device::v1::RotateSecretResponse rotated;
  REQUIRE(api.Call("operator", *api.devices, &Devices::RotateSecret, rotate, &rotated).ok());
  Device device;
  REQUIRE(Verb<device::v1::DisableDeviceRequest>(api, &Devices::DisableDevice, device).ok());

  audit::v1::ListAuditEntriesRequest list;
  list.set_parent("tenants/-");
  list.set_page_size(2);
  list.set_filter("resource = tenants/default/devices/lamp-1");
  std::vector<audit::v1::AuditEntry> entries;
  do {
    audit::v1::ListAuditEntriesResponse page;
    REQUIRE(api.Call("operator", *api.audit, &Audits::ListAuditEntries, list, &page).ok());
    entries.insert(entries.end(), page.audit_entries().begin(), page.audit_entries().end());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].action() == "DisableDevice");
  CHECK(entries[0].resource() == "tenants/default/devices/lamp-1");
  CHECK(entries[0].before_json().find(R"("disabled":false)") != std::string::npos);
  CHECK(entries[0].after_json().find(R"("disabled":true)") != std::string::npos);
  CHECK(entries[1].action() == "RotateSecret");
  CHECK(entries[2].action() == "CreateDevice");
  for (const audit::v1::AuditEntry& entry : entries) {
    CHECK(entry.DebugString().find(rotated.secret()) == std::string::npos);
    CHECK(entry.DebugString().find(created.secret()) == std::string::npos);
  }

  audit::v1::ListAuditEntriesResponse page;
  list.clear_page_token();
  list.set_filter("create_time > \"2100-01-01T00:00:00Z\"");
  REQUIRE(api.Call("operator", *api.audit, &Audits::ListAuditEntries, list, &page).ok());
  CHECK(page.audit_entries_size() == 0);
  list.set_filter("nothing = 1");
  const grpc::Status bad = api.Call("operator", *api.audit, &Audits::ListAuditEntries, list, &page);
  CHECK(ReasonFor(bad) == "FILTER_INVALID");
  CHECK(rpc::DetailsOf(bad).metadata["position"] == "0");
  CHECK(ReasonFor(api.Call("user", *api.audit, &Audits::ListAuditEntries, list, &page)) ==
        "PERMISSION_DENIED");
  CHECK(ReasonFor(api.Call("operator", *api.audit, &Audits::ListAuditEntries, list, &page,
                           "other")) == "FILTER_INVALID");
}

}  // namespace
}  // namespace homeport::registry::testing
