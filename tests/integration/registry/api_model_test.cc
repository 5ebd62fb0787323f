#include <catch2/catch.hpp>
#include <string>

#include "services/registry/store/model_table.h"
#include "tests/integration/registry/api.h"

// Product models over gRPC: the gate, versions, translations, and what is typed.
namespace homeport::registry::testing {
namespace {

// A model of one property, which allows values up to `max`.
std::string ModelUpTo(int max) {
  return fmt::format(R"({{"type":"urn:s:device:d:00000001:a-b:1","services":[{{"iid":2,)"
                     R"("type":"urn:s:service:s:00000001","properties":[{{"iid":1,)"
                     R"("type":"urn:s:property:p:00000001","format":"uint8","access":["read"],)"
                     R"("value-range":[0,{},1]}}]}}]}})",
                     max);
}

TEST_CASE("products: a model that breaks the present one is refused") {
  Api api;
  product::v1::CreateProductRequest create;
  create.set_parent("tenants/-");
  create.set_product_id("test.plug.one");
  create.mutable_product()->set_model_json(ModelUpTo(10));
  product::v1::Product product;
  REQUIRE(api.Call("operator", *api.products, &Products::CreateProduct, create, &product).ok());
  CHECK(product.model_version() == 1);
  CHECK(product.model_json() == ModelUpTo(10));
  product::v1::UpdateProductRequest update;
  update.mutable_product()->set_name("tenants/-/products/test.plug.one");
  update.mutable_update_mask()->add_paths("model_json");
  const auto to = [&](const std::string& model) {
    update.mutable_product()->set_model_json(model);
    return api.Call("operator", *api.products, &Products::UpdateProduct, update, &product);
  };
  REQUIRE(to(ModelUpTo(20)).ok());
  CHECK(product.model_version() == 2);
  REQUIRE(to(ModelUpTo(20)).ok());
  CHECK(product.model_version() == 2);
  const grpc::Status narrower = to(ModelUpTo(5));
  CHECK(narrower.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  const rpc::ErrorDetails details = rpc::DetailsOf(narrower);
  CHECK(details.reason == "MODEL_BREAKING");
  CHECK(details.metadata.at("upgrade") == "breaking");
  REQUIRE(details.violations.size() == 1);
  CHECK(details.violations[0].field == "property s.p (2.1)");
  CHECK(details.violations[0].description ==
        "property s.p (2.1): values was 0..20 step 1, is 0..5 step 1");
  CHECK(ReasonFor(to("")) == "MODEL_BREAKING");
  update.set_allow_breaking(true);
  REQUIRE(to(ModelUpTo(5)).ok());
  CHECK(product.model_version() == 3);
  CHECK(api.world.Sql("SELECT string_agg(version::text, ' ') FROM product_version "
                      "WHERE product = 'test.plug.one'") == "1 2 3");
}

TEST_CASE("models: versions are imported, compared, looked up and deleted") {
  Api api;
  const std::string product = "tenants/default/products/test.light.one";
  product::v1::CreateModelVersionRequest create;
  create.set_parent("tenants/-/products/test.light.one");
  product::v1::ModelVersion version;
  const auto import = [&](const std::string& model) {
    create.set_model_json(model);
    version.Clear();
    return api.Call("operator", *api.models, &Models::CreateModelVersion, create, &version);
  };
  CHECK(ReasonFor(import(ModelUpTo(10))) == "MODEL_BREAKING");
  CHECK(ReasonFor(import("{}")) == "MODEL_INVALID");
  create.set_validate_only(true);
  CHECK(ReasonFor(import("{}")) == "MODEL_INVALID");
  REQUIRE(import(ModelUpTo(10)).ok());
  CHECK(version.version() == 0);
  CHECK(version.upgrade() == product::v1::UPGRADE_BREAKING);
  CHECK(version.differences_size() > 0);
  create.set_validate_only(false);
  create.set_allow_breaking(true);
  REQUIRE(import(ModelUpTo(10)).ok());
  CHECK(version.name() == product + "/modelVersions/2");
  CHECK(version.urn() == "urn:s:device:d:00000001:a-b:1");
  create.set_keep_current(true);
  REQUIRE(import(ModelUpTo(20)).ok());
  CHECK(version.version() == 3);
  CHECK(version.upgrade() == product::v1::UPGRADE_WIDENING);
  REQUIRE(version.differences_size() == 1);
  CHECK(version.differences(0).path() == "property s.p (2.1)");
  CHECK(version.differences(0).aspect() == "values");
  CHECK(version.differences(0).was() == "0..10 step 1");
  CHECK(version.differences(0).is() == "0..20 step 1");

  // Gateways have all of them, since devices run different ones.
  internal::v1::GetProductConfigRequest get_config;
  get_config.set_product("test.light.one");
  internal::v1::ProductConfig config;
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetProductConfig, get_config, &config).ok());
  CHECK(config.model_version() == 2);
  REQUIRE(config.models_size() == 3);
  CHECK(config.models(2).number() == 3);
  CHECK(config.models(2).json() == ModelUpTo(20));
  CHECK_FALSE(config.more_models());
  get_config.set_models_after(1);
  config.Clear();
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetProductConfig, get_config, &config).ok());
  REQUIRE(config.models_size() == 2);
  CHECK(config.models(0).number() == 2);
  get_config.set_known_revision(config.revision());
  REQUIRE(
      api.Call("service", *api.directory, &Directory::GetProductConfig, get_config, &config).ok());
  CHECK(config.models_size() == 0);
  CHECK(config.model_version() == 2);
  const auto numbers = [&](int64_t after, size_t bytes) {
    const auto page =
        ModelsOfProduct(api.world.db(), "test.light.one", after, static_cast<int64_t>(bytes));
    REQUIRE(page.ok());
    std::string text = page->has_more ? "more:" : "last:";
    for (const ModelRow& row : page->models) text += fmt::format(" {}", row.version);
    return text;
  };
  const size_t two = std::stoul(api.world.Sql(
      "SELECT sum(octet_length(model)) FROM product_version WHERE product = 'test.light.one'"
      " AND version < 3"));
  CHECK(numbers(0, 0) == "more: 1");
  CHECK(numbers(0, two - 1) == "more: 1");
  CHECK(numbers(0, two) == "more: 1 2");
  CHECK(numbers(1, 1 << 20) == "last: 2 3");
  CHECK(numbers(3, two) == "last:");

  product::v1::GetModelVersionRequest get;
  const auto find = [&](const std::string& name) {
    get.set_name(name);
    version.Clear();
    return ReasonFor(api.Call("user", *api.models, &Models::GetModelVersion, get, &version));
  };
  CHECK(find(product + "/modelVersions/current").empty());
  CHECK(version.version() == 2);
  CHECK(version.model_json() == ModelUpTo(10));
  CHECK(find(product + "/modelVersions/3").empty());
  CHECK(version.upgrade() == product::v1::UPGRADE_WIDENING);
  CHECK(find(product + "/modelVersions/9") == "MODEL_VERSION_NOT_FOUND");
  CHECK(find(product + "/modelVersions/x") == "NAME_INVALID");
  CHECK(find("tenants/-/products/none/modelVersions/1") == "PRODUCT_NOT_FOUND");
  CHECK(find("tenants/other/products/none/modelVersions/1") == "PERMISSION_DENIED");

  product::v1::ListModelVersionsRequest list;
  list.set_parent(product);
  list.set_page_size(2);
  product::v1::ListModelVersionsResponse page;
  REQUIRE(api.Call("user", *api.models, &Models::ListModelVersions, list, &page).ok());
  CHECK(page.model_versions_size() == 2);
  list.set_page_token(page.next_page_token());
  page.Clear();
  REQUIRE(api.Call("user", *api.models, &Models::ListModelVersions, list, &page).ok());
  REQUIRE(page.model_versions_size() == 1);
  CHECK(page.model_versions(0).version() == 3);
  CHECK(page.model_versions(0).model_json().empty());
  CHECK(page.next_page_token().empty());
  list.Clear();
  list.set_parent("tenants/-/products/-");
  list.set_urn("urn:miot-spec-v2:device:light:0000A001:test-one:1");
  page.Clear();
  REQUIRE(api.Call("user", *api.models, &Models::ListModelVersions, list, &page).ok());
  REQUIRE(page.model_versions_size() == 1);
  CHECK(page.model_versions(0).name() == product + "/modelVersions/1");

  product::v1::DeleteModelVersionRequest remove;
  google::protobuf::Empty empty;
  const auto drop = [&](const char* number) {
    remove.set_name(product + "/modelVersions/" + number);
    return ReasonFor(
        api.Call("operator", *api.models, &Models::DeleteModelVersion, remove, &empty));
  };
  CHECK(drop("2") == "MODEL_VERSION_IN_USE");
  CHECK(drop("3").empty());
  CHECK(drop("3") == "MODEL_VERSION_NOT_FOUND");
}

TEST_CASE("models: titles in a language, and the shadow in terms of the model") {
  Api api;
  Gateway gateway(api.world);
  product::v1::UpdateTranslationRequest put;
  put.mutable_translation()->set_name("tenants/-/products/test.light.one/translations/zh-CN");
  (*put.mutable_translation()->mutable_texts())["service:2:property:1"] = "开关";
  product::v1::Translation translation;
  REQUIRE(api.Call("operator", *api.models, &Models::UpdateTranslation, put, &translation).ok());
  CHECK(translation.name() == "tenants/default/products/test.light.one/translations/zh_cn");
  CHECK(translation.texts().at("service:002:property:001") == "开关");
  (*put.mutable_translation()->mutable_texts())["service:2:propertie:1"] = "x";
  CHECK(ReasonFor(api.Call("operator", *api.models, &Models::UpdateTranslation, put,
                           &translation)) == "TRANSLATION_INVALID");
  product::v1::ListTranslationsRequest list;
  list.set_parent("tenants/-/products/test.light.one");
  product::v1::ListTranslationsResponse languages;
  REQUIRE(api.Call("user", *api.models, &Models::ListTranslations, list, &languages).ok());
  CHECK(languages.translations_size() == 1);

  product::v1::GetTypedModelRequest describe;
  describe.set_name("tenants/-/products/test.light.one");
  describe.set_language("zh_hk");
  product::v1::TypedModel model;
  REQUIRE(api.Call("user", *api.models, &Models::GetTypedModel, describe, &model).ok());
  CHECK(model.name() == "tenants/default/products/test.light.one/modelVersions/1");
  REQUIRE(model.services_size() == 1);
  CHECK(model.services(0).title() == "Light");
  CHECK(model.services(0).properties(0).title() == "开关");
  CHECK(model.services(0).properties(1).title() == "Brightness");
  CHECK(model.services(0).properties(1).format() == product::v1::FORMAT_UINT32);
  CHECK(model.services(0).properties(1).value_range().max().int_value() == 1'000'000);
  CHECK(model.services(0).events(0).arguments(0) == 2);

  gateway.Append({Connected("lamp-1"), Brightness("lamp-1", 4),
                  ShadowUpdate("lamp-1", R"({"state":{"reported":{"light":{"on":"perhaps"},"x":1},)"
                                         R"("desired":{"light":{"brightness":5}}}})")});
  CHECK(api.world.Becomes("SELECT version FROM shadow", "2"));
  product::v1::GetTypedShadowRequest read;
  read.set_name("tenants/-/devices/lamp-1");
  read.set_language("zh_cn");
  product::v1::TypedShadow shadow;
  REQUIRE(api.Call("user", *api.models, &Models::GetTypedShadow, read, &shadow).ok());
  CHECK(shadow.model_version() == "tenants/default/products/test.light.one/modelVersions/1");
  CHECK(shadow.version() == 2);
  CHECK(shadow.online());
  REQUIRE(shadow.properties_size() == 1);
  CHECK(shadow.properties(0).name() == "light.brightness");
  CHECK(shadow.properties(0).title() == "Brightness");
  CHECK(shadow.properties(0).reported().int_value() == 4);
  CHECK(shadow.properties(0).desired().int_value() == 5);
  CHECK(shadow.properties(0).reported_time().seconds() > 0);
  CHECK(shadow.other_json() == R"({"reported":{"light":{"on":"perhaps"},"x":1}})");
  read.set_name("tenants/-/devices/none");
  CHECK(ReasonFor(api.Call("user", *api.models, &Models::GetTypedShadow, read, &shadow)) ==
        "PERMISSION_DENIED");

  product::v1::DeleteTranslationRequest remove;
  remove.set_name(translation.name());
  google::protobuf::Empty empty;
  REQUIRE(api.Call("operator", *api.models, &Models::DeleteTranslation, remove, &empty).ok());
  CHECK(ReasonFor(api.Call("operator", *api.models, &Models::DeleteTranslation, remove, &empty)) ==
        "TRANSLATION_NOT_FOUND");
}

}  // namespace
}  // namespace homeport::registry::testing
