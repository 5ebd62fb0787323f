#include "tests/integration/registry/api.h"

#include <catch2/catch.hpp>

// The gRPC services of a whole registry process.
namespace homeport::registry::testing {
namespace {

TEST_CASE("products: create, read, list, update, and what is refused") {
  Api api;
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/-");
  create.set_product_id("test.plug.one");
  create.mutable_product()->set_display_name("Plug");
  product::v1::Product product;
  REQUIRE(api.Call("operator", *api.products, &Products::CreateProduct, create, &product).ok());
  CHECK(product.name() == "tenants/default/products/test.plug.one");
  CHECK(product.etag() == "1");
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::CreateProduct, create,
                           &product)) == "PRODUCT_EXISTS");
  CHECK(ReasonFor(api.Call("user", *api.products, &Products::CreateProduct, create, &product)) ==
        "PERMISSION_DENIED");
  CHECK(ReasonFor(api.Call("", *api.products, &Products::CreateProduct, create, &product)) ==
        "TOKEN_MISSING");
  create.set_parent("tenants/other");
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::CreateProduct, create,
                           &product)) == "PERMISSION_DENIED");
  create.set_parent("tenants/-");
  create.set_product_id("Bad Id");
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::CreateProduct, create,
                           &product)) == "FIELD_INVALID");
  create.set_product_id("test.plug.two");
  create.mutable_product()->set_model_json(
      R"({"type":"urn:a:device:b:0","services":[{"iid":"x"}]})");
  const grpc::Status bad =
      api.Call("operator", *api.products, &Products::CreateProduct, create, &product);
  CHECK(ReasonFor(bad) == "MODEL_INVALID");
  CHECK(rpc::DetailsOf(bad).metadata["path"].find("services[0]") == 0);

  product::v1::ListProductsRequest list;
  list.set_parent("tenants/-");
  list.set_page_size(1);
  product::v1::ListProductsResponse page;
  REQUIRE(api.Call("operator", *api.products, &Products::ListProducts, list, &page).ok());
  REQUIRE(page.products_size() == 1);
  CHECK(page.products(0).name() == "tenants/default/products/test.light.one");
  list.set_page_token(page.next_page_token());
  page.Clear();
  REQUIRE(api.Call("operator", *api.products, &Products::ListProducts, list, &page).ok());
  CHECK(page.products(0).display_name() == "Plug");
  CHECK(page.next_page_token().empty());
  list.set_parent("tenants/default");  // a token goes with its own request
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::ListProducts, list, &page)) ==
        "PAGE_TOKEN_INVALID");

  product::v1::UpdateProductRequest update;
  update.mutable_product()->set_name("tenants/-/products/test.plug.one");
  update.mutable_product()->set_display_name("Socket");
  update.mutable_product()->set_etag("1");
  REQUIRE(api.Call("operator", *api.products, &Products::UpdateProduct, update, &product).ok());
  CHECK(product.etag() == "2");
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::UpdateProduct, update,
                           &product)) == "ETAG_MISMATCH");

  product::v1::GetFleetKeyRequest get_key;
  get_key.set_name("tenants/-/products/test.plug.one");
  product::v1::FleetKey key;
  REQUIRE(api.Call("operator", *api.products, &Products::GetFleetKey, get_key, &key).ok());
  CHECK(key.fleet_key().size() == 43);
  internal::v1::GetProductConfigRequest get_config;
  get_config.set_product("test.plug.one");
  internal::v1::ProductConfig config;
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetProductConfig, get_config, &config).ok());
  CHECK(config.fleet_key() == key.fleet_key());
  CHECK(config.revision().substr(0, 2) == "2.");
}

TEST_CASE("products: an update changes what its mask names, a request id makes one product") {
  Api api;
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/-");
  create.set_product_id("test.plug.one");
  create.set_request_id("7a1c8b8e-6d5b-4c7f-9a55-3c1f0e9b2d41");
  create.mutable_product()->set_display_name("Plug");
  create.mutable_product()->set_allow_unregistered(true);
  create.mutable_product()->mutable_history()->add_properties("plug.*");
  product::v1::Product product;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(api.Call("operator", *api.products, &Products::CreateProduct, create, &product).ok());
  }
  product::v1::UpdateProductRequest update;
  update.mutable_product()->set_name(product.name());
  update.mutable_product()->mutable_history()->set_retention_days(7);
  update.mutable_update_mask()->add_paths("allow_unregistered");
  update.mutable_update_mask()->add_paths("history.retention_days");
  REQUIRE(api.Call("operator", *api.products, &Products::UpdateProduct, update, &product).ok());
  CHECK(product.display_name() == "Plug");
  CHECK_FALSE(product.allow_unregistered());
  CHECK(product.history().properties_size() == 1);
  CHECK(product.history().retention_days() == 7);
  update.mutable_update_mask()->add_paths("none");
  CHECK(ReasonFor(api.Call("operator", *api.products, &Products::UpdateProduct, update,
                           &product)) == "FIELD_INVALID");
}

TEST_CASE("devices: secrets, disabling with a kick, deletion") {
  Api api;
  Gateway gateway(api.world);
  device::v1::CreateDeviceRequest create;
  create.set_parent("tenants/-");
  create.set_device_id("lamp-1");
  create.mutable_device()->set_product("tenants/-/products/test.light.one");
  device::v1::CreateDeviceResponse created;
  REQUIRE(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &created).ok());
  CHECK(created.secret().size() == 43);
  device::v1::CreateDeviceResponse again;
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &again)) ==
        "DEVICE_EXISTS");
  create.set_device_id("lamp-2");
  create.mutable_device()->set_product("tenants/-/products/none");
  CHECK(ReasonFor(api.Call("operator", *api.devices, &Devices::CreateDevice, create, &again)) ==
        "PRODUCT_NOT_FOUND");

  internal::v1::GetDeviceConfigRequest get_config;
  get_config.set_device("lamp-1");
  internal::v1::DeviceConfig config;
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetDeviceConfig, get_config, &config).ok());
  REQUIRE(config.credentials_size() == 1);
  CHECK(auth::VerifySecret(created.secret(), config.credentials(0).secret_sha256()));
  device::v1::RotateSecretRequest rotate;
  rotate.set_name("tenants/-/devices/lamp-1");
  device::v1::RotateSecretResponse rotated;
  REQUIRE(api.Call("operator", *api.devices, &Devices::RotateSecret, rotate, &rotated).ok());
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetDeviceConfig, get_config, &config).ok());
  REQUIRE(config.credentials_size() == 1);
  CHECK(auth::VerifySecret(rotated.secret(), config.credentials(0).secret_sha256()));
  const auto rotate_as_other = [&](const char* name) {
    rotate.set_name(name);
    return ReasonFor(
        api.Call("operator", *api.devices, &Devices::RotateSecret, rotate, &rotated, "other"));
  };
  CHECK(rotate_as_other("tenants/default/devices/lamp-1") == "PERMISSION_DENIED");
  CHECK(rotate_as_other("tenants/-/devices/lamp-1") == "DEVICE_NOT_FOUND");

  gateway.Append({Connected("lamp-1", 3)});
  device::v1::GetDeviceRequest get;
  get.set_name("tenants/-/devices/lamp-1");
  device::v1::Device device;
  CHECK(Eventually([&] {
    return api.Call("user", *api.devices, &Devices::GetDevice, get, &device).ok() &&
           device.online();
  }));
  device::v1::DisableDeviceRequest disable;
  disable.set_name("tenants/-/devices/lamp-1");
  REQUIRE(api.Call("operator", *api.devices, &Devices::DisableDevice, disable, &device).ok());
  CHECK(device.state() == device::v1::Device::DISABLED);
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(1);
  CHECK(inbox[0].kick().reason() == 0x98);
  CHECK(inbox[0].kick().epoch() == 3);

  device::v1::DeleteDeviceRequest remove;
  remove.set_name("tenants/-/devices/lamp-1");
  device::v1::Device removed;
  REQUIRE(api.Call("operator", *api.devices, &Devices::DeleteDevice, remove, &removed).ok());
  device::v1::PurgeDeviceRequest purge;
  purge.set_name("tenants/-/devices/lamp-1");
  device::v1::PurgeDeviceResponse purged;
  REQUIRE(api.Call("operator", *api.devices, &Devices::PurgeDevice, purge, &purged).ok());
  CHECK(ReasonFor(api.Call("user", *api.devices, &Devices::GetDevice, get, &device)) ==
        "DEVICE_NOT_FOUND");
}

TEST_CASE("shadows: updates pass through the stream and are answered when committed") {
  Api api;
  Gateway gateway(api.world);
  gateway.Append({Connected("lamp-1"), Brightness("lamp-1", 4)});
  CHECK(api.world.Becomes("SELECT version FROM shadow", "1"));
  shadow::v1::UpdateShadowRequest update;
  update.set_name("tenants/-/devices/lamp-1/shadows/-");
  update.set_state_json(R"({"desired":{"light":{"brightness":5}}})");
  update.set_etag("1");
  shadow::v1::Shadow shadow;
  REQUIRE(api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow).ok());
  CHECK(shadow.version() == 2);
  CHECK(shadow.online());
  CHECK(gateway.AwaitInbox(2)[0].deliver().topic() == "$aws/things/lamp-1/shadow/update/delta");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow)) ==
        "SHADOW_VERSION_MISMATCH");
  update.clear_etag();
  update.set_state_json(R"({"desired":{}},"version":1,"x":{})");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow)) ==
        "SHADOW_REQUEST_INVALID");

  shadow::v1::GetShadowRequest get;
  get.set_name(update.name());
  shadow::v1::Shadow read;
  REQUIRE(api.Call("user", *api.shadows, &Shadows::GetShadow, get, &read).ok());
  CHECK(read.version() == 2);
  CHECK(read.etag() == "2");
  CHECK(read.state_json() == R"({"desired":{"light":{"brightness":5}},)"
                             R"("reported":{"light":{"brightness":4}},)"
                             R"("delta":{"light":{"brightness":5}}})");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::GetShadow, get, &read, "other")) ==
        "PERMISSION_DENIED");
  get.set_name("tenants/-/devices/nobody/shadows/-");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::GetShadow, get, &read)) ==
        "PERMISSION_DENIED");

  internal::v1::GetStateRequest get_state;
  get_state.set_device("lamp-1");
  internal::v1::DeviceState state;
  REQUIRE(api.Call("service", *api.directory, &Directory::GetState, get_state, &state).ok());
  CHECK(state.reported_json() == R"({"light":{"brightness":4}})");
  CHECK(state.online());

  shadow::v1::DeleteShadowRequest remove;
  remove.set_name(update.name());
  remove.set_etag("1");
  shadow::v1::DeleteShadowResponse removed;
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::DeleteShadow, remove, &removed)) ==
        "SHADOW_VERSION_MISMATCH");
  remove.set_etag("2");
  REQUIRE(api.Call("user", *api.shadows, &Shadows::DeleteShadow, remove, &removed).ok());
  CHECK(removed.version() == 2);
  const std::vector<InboxItem> heard = gateway.AwaitInbox(4);
  CHECK(heard[2].deliver().topic() == "$aws/things/lamp-1/shadow/update/accepted");
  CHECK(heard[3].deliver().topic() == "$aws/things/lamp-1/shadow/delete/accepted");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::DeleteShadow, remove, &removed)) ==
        "SHADOW_NOT_FOUND");
}

grpc::Status ReadProduct(Api& api) {
  product::v1::GetProductRequest get;
  get.set_name("tenants/-/products/test.light.one");
  product::v1::Product product;
  return api.Call("user operator", *api.products, &Products::GetProduct, get, &product);
}

TEST_CASE("a read after a restart of PostgreSQL finds a fresh connection") {
  Api api;
  REQUIRE(ReadProduct(api).ok());
  for (int i = 0; i < 3; ++i) {
    SharedServers().postgres.Kill();
    SharedServers().postgres.Start();
    CHECK(ReadProduct(api).ok());
  }
}

TEST_CASE("a read is repeated once, a write and a slow failure are not") {
  int calls = 0;
  const auto fail_first = [&] {
    return ++calls == 1 ? absl::UnavailableError("gone") : absl::OkStatus();
  };
  CHECK(Attempt("GetProduct", fail_first).ok());
  CHECK(calls == 2);
  calls = 0;
  CHECK_FALSE(Attempt("UpdateProduct", fail_first).ok());
  CHECK(calls == 1);
  CHECK_FALSE(IsWorthRepeating(absl::UnavailableError("frozen"), 4'000'000));
  CHECK_FALSE(IsWorthRepeating(absl::NotFoundError("none"), 0));
}

TEST_CASE("a product's topic policy is kept, and one that cannot be is refused by its rule") {
  Api api;
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/-");
  create.set_product_id("test.policy.one");
  product::v1::TopicRule& rule = *create.mutable_product()->mutable_topic_policy()->add_rules();
  rule.add_actions(product::v1::TopicRule::ACTION_PUBLISH);
  rule.add_filters("home/${device}/#");
  product::v1::Product product;
  const auto refused = [&](std::string_view place) {
    const grpc::Status bad =
        api.Call("operator", *api.products, &Products::CreateProduct, create, &product);
    CHECK(ReasonFor(bad) == "POLICY_INVALID");
    CHECK(rpc::DetailsOf(bad).metadata["rule"] == place);
  };
  refused("rules[0].effect");
  rule.set_effect(product::v1::TopicRule::EFFECT_ALLOW);
  rule.add_filters("${nobody}");
  refused("rules[0].filters[1]");
  rule.mutable_filters()->RemoveLast();
  REQUIRE(api.Call("operator", *api.products, &Products::CreateProduct, create, &product).ok());
  CHECK(product.topic_policy().rules(0).filters(0) == "home/${device}/#");

  internal::v1::GetProductConfigRequest get;
  get.set_product("test.policy.one");
  internal::v1::ProductConfig config;
  REQUIRE(api.Call("service", *api.directory, &Directory::GetProductConfig, get, &config).ok());
  CHECK(config.topic_policy().SerializeAsString() == product.topic_policy().SerializeAsString());

  internal::v1::ListChangesRequest list;
  list.set_after(-1);
  internal::v1::ListChangesResponse changes;
  REQUIRE(api.Call("service", *api.directory, &Directory::ListChanges, list, &changes).ok());
  list.set_after(changes.last());
  product::v1::UpdateProductRequest update;
  *update.mutable_product() = product;
  update.mutable_product()->clear_topic_policy();
  update.mutable_update_mask()->add_paths("topic_policy");
  REQUIRE(api.Call("operator", *api.products, &Products::UpdateProduct, update, &product).ok());
  CHECK_FALSE(product.has_topic_policy());
  REQUIRE(api.Call("service", *api.directory, &Directory::ListChanges, list, &changes).ok());
  REQUIRE(changes.changes_size() == 1);
  CHECK(changes.changes(0).kind() == internal::v1::DirectoryChange::KIND_PRODUCT);
  CHECK(changes.changes(0).name() == "test.policy.one");
}

TEST_CASE("a PostgreSQL that stands still fails calls in time, and goes on when it does") {
  Api api;
  REQUIRE(ReadProduct(api).ok());
  SharedServers().postgres.Freeze();
  // With pooled connections, and then with none: each is bounded.
  for (int i = 0; i < 3; ++i) {
    const grpc::Status frozen = ReadProduct(api);
    CHECK(frozen.error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(ReasonFor(frozen) == "POSTGRES_UNAVAILABLE");
  }
  SharedServers().postgres.Thaw();
  CHECK(Eventually([&] { return ReadProduct(api).ok(); }));
  Gateway gateway(api.world);
  gateway.Append({Connected("lamp-1"), Brightness("lamp-1", 4)});
  CHECK(api.world.Becomes("SELECT version FROM shadow", "1"));
}

TEST_CASE("a stop does not wait for a channel that nobody uses") {
  Api api;
  REQUIRE(ReadProduct(api).ok());
  const int64_t stop_ms = api.StopMs();
  INFO(stop_ms);
  CHECK(stop_ms < 3'000);  // the drain may take 5 s
}

TEST_CASE("named shadows are listed by pages") {
  Api api;
  Gateway gateway(api.world);
  gateway.Append({Connected("lamp-1")});
  CHECK(api.world.Becomes("SELECT count(*) FROM device", "1"));
  shadow::v1::UpdateShadowRequest update;
  update.set_state_json(R"({"reported":{"a":1}})");
  shadow::v1::Shadow shadow;
  for (const char* name : {"b", "-", "a", "gone", "c"}) {
    update.set_name(fmt::format("tenants/-/devices/lamp-1/shadows/{}", name));
    REQUIRE(api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow).ok());
  }
  shadow::v1::DeleteShadowRequest remove;
  remove.set_name("tenants/-/devices/lamp-1/shadows/gone");
  shadow::v1::DeleteShadowResponse removed;
  REQUIRE(api.Call("user", *api.shadows, &Shadows::DeleteShadow, remove, &removed).ok());

  shadow::v1::ListNamedShadowsRequest list;
  list.set_parent("tenants/-/devices/lamp-1");
  list.set_page_size(2);
  shadow::v1::ListNamedShadowsResponse page;
  REQUIRE(api.Call("user", *api.shadows, &Shadows::ListNamedShadows, list, &page).ok());
  REQUIRE(page.shadows_size() == 2);
  CHECK(page.shadows(0).name() == "tenants/default/devices/lamp-1/shadows/a");
  CHECK(page.shadows(0).version() == 1);
  CHECK(page.shadows(1).name() == "tenants/default/devices/lamp-1/shadows/b");
  list.set_page_token(page.next_page_token());
  page.Clear();
  REQUIRE(api.Call("user", *api.shadows, &Shadows::ListNamedShadows, list, &page).ok());
  REQUIRE(page.shadows_size() == 1);
  CHECK(page.shadows(0).name() == "tenants/default/devices/lamp-1/shadows/c");
  CHECK(page.next_page_token().empty());
  list.set_page_size(-1);
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::ListNamedShadows, list, &page)) ==
        "FIELD_INVALID");
  list.set_page_size(0);
  list.set_page_token("not one");
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::ListNamedShadows, list, &page)) ==
        "PAGE_TOKEN_INVALID");
  list.clear_page_token();
  CHECK(ReasonFor(api.Call("user", *api.shadows, &Shadows::ListNamedShadows, list, &page,
                           "other")) == "PERMISSION_DENIED");
}

TEST_CASE("a fight between an app and a device ends in a refusal") {
  Api api;
  Gateway gateway(api.world);
  gateway.Append({Connected("lamp-1")});
  CHECK(api.world.Becomes("SELECT count(*) FROM device", "1"));
  shadow::v1::UpdateShadowRequest update;
  update.set_name("tenants/-/devices/lamp-1/shadows/-");
  update.set_state_json(R"({"desired":{"light":{"brightness":5}}})");
  shadow::v1::Shadow shadow;
  const uint32_t rounds = shadow::LoopLimits().rounds_max;
  for (uint32_t i = 0; i < rounds; ++i) {
    REQUIRE(api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow).ok());
    gateway.Append({Brightness("lamp-1", 4)});
    CHECK(api.world.Becomes("SELECT version FROM shadow", std::to_string(2 * i + 2)));
  }
  const grpc::Status refused =
      api.Call("user", *api.shadows, &Shadows::UpdateShadow, update, &shadow);
  CHECK(refused.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(ReasonFor(refused) == "SHADOW_LOOP");
}

TEST_CASE("a product may ask that what changes nothing makes no version") {
  Api api;
  Gateway gateway(api.world);
  product::v1::UpdateProductRequest settings;
  product::v1::GetProductRequest get;
  get.set_name(fmt::format("tenants/-/products/{}", kProduct));
  REQUIRE(
      api.Call("operator", *api.products, &Products::GetProduct, get, settings.mutable_product())
          .ok());
  CHECK_FALSE(settings.product().shadow().skip_unchanged());
  settings.mutable_product()->mutable_shadow()->set_skip_unchanged(true);
  product::v1::Product product;
  REQUIRE(api.Call("operator", *api.products, &Products::UpdateProduct, settings, &product).ok());
  CHECK(product.shadow().skip_unchanged());

  gateway.Append({Connected("lamp-1"), Brightness("lamp-1", 4), Brightness("lamp-1", 4),
                  ShadowUpdate("lamp-1", R"({"state":{"reported":{"light":{"brightness":4}}}})"),
                  Brightness("lamp-1", 5)});
  CHECK(api.world.Becomes("SELECT version FROM shadow", "2"));
  CHECK(gateway.AwaitInbox(1)[0].deliver().topic() == "$aws/things/lamp-1/shadow/update/accepted");
}

}  // namespace
}  // namespace homeport::registry::testing
