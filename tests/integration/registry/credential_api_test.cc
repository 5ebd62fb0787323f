#include <catch2/catch.hpp>

#include "homeport/credential/v1/credential.grpc.pb.h"
#include "homeport/provisioning/v1/provisioning.grpc.pb.h"
#include "libs/auth/certificate_maker.h"
#include "tests/integration/registry/api.h"

// CredentialService and ProvisioningService as their callers see them.
namespace homeport::registry::testing {
namespace {

using Credentials = credential::v1::CredentialService::Stub;
using Provisioning = provisioning::v1::ProvisioningService::Stub;

constexpr char kDevice[] = "tenants/-/devices/lamp-1";
constexpr char kOnce[] = "7a1c8b8e-6d5b-4c7f-9a55-3c1f0e9b2d41";
constexpr char kBody[] = R"({"Parameters":{"Serial":{"Type":"String"}},
  "Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"Serial"}}}}})";

struct Identities : Api {
  Identities()
      : credentials(credential::v1::CredentialService::NewStub(channel())),
        provisioning(provisioning::v1::ProvisioningService::NewStub(channel())) {
    device::v1::CreateDeviceRequest create;
    create.set_parent("tenants/-");
    create.set_device_id("lamp-1");
    create.mutable_device()->set_product(fmt::format("tenants/-/products/{}", kProduct));
    device::v1::CreateDeviceResponse created;
    REQUIRE(Call("operator", *devices, &Devices::CreateDevice, create, &created).ok());
  }

  template <typename Method, typename Request, typename Response>
  std::string Ask(Method method, const Request& request, Response& response) {
    response.Clear();
    return ReasonFor(Call("operator", *credentials, method, request, &response));
  }
  template <typename Method, typename Request, typename Response>
  std::string Provision(Method method, const Request& request, Response& response) {
    response.Clear();
    return ReasonFor(Call("operator", *provisioning, method, request, &response));
  }

  std::unique_ptr<Credentials> credentials;
  std::unique_ptr<Provisioning> provisioning;
};

TEST_CASE("credentials: a request is made once, and lists come by pages") {
  Identities api;
  credential::v1::CreateCredentialRequest create;
  create.set_parent(kDevice);
  create.mutable_credential()->set_kind(credential::v1::Credential::KIND_SECRET);
  create.set_request_id(kOnce);
  credential::v1::CreateCredentialResponse first, again;
  REQUIRE(api.Ask(&Credentials::CreateCredential, create, first).empty());
  REQUIRE(api.Ask(&Credentials::CreateCredential, create, again).empty());
  CHECK(again.secret() == first.secret());
  create.mutable_credential()->set_kind(credential::v1::Credential::KIND_PUBLIC_KEY);
  CHECK(api.Ask(&Credentials::CreateCredential, create, again) == "REQUEST_ID_REUSED");

  // A certificate stands among the others by its id.
  const auto authority = auth::MakeAuthority({"factory", SystemClock().Wall(), 10});
  REQUIRE(authority.ok());
  create.clear_request_id();
  create.mutable_credential()->set_kind(credential::v1::Credential::KIND_CERTIFICATE);
  create.mutable_credential()->set_pem(authority->certificate_pem);
  REQUIRE(api.Ask(&Credentials::CreateCredential, create, again).empty());
  std::vector<std::string> names;
  credential::v1::ListCredentialsRequest list;
  list.set_parent(kDevice);
  list.set_page_size(1);
  credential::v1::ListCredentialsResponse page;
  do {
    REQUIRE(api.Ask(&Credentials::ListCredentials, list, page).empty());
    REQUIRE(page.credentials_size() == 1);
    names.push_back(page.credentials(0).name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  CHECK(names.size() == 3);
  CHECK(std::is_sorted(names.begin(), names.end()));
  list.set_page_token("x");
  CHECK(api.Ask(&Credentials::ListCredentials, list, page) == "PAGE_TOKEN_INVALID");

  for (const std::string& name : names) {
    credential::v1::RevokeCredentialRequest revoke;
    revoke.set_name(name);
    credential::v1::RevokeCredentialResponse revoked;
    CHECK(api.Ask(&Credentials::RevokeCredential, revoke, revoked).empty());
  }
  CHECK(api.world.Sql("SELECT count(*) FROM credential") == "0");
  CHECK(api.world.Sql("SELECT state FROM certificate") == "revoked");
}

TEST_CASE("authorities: an update changes what its mask names, of the etag it knows") {
  Identities api;
  const WallMs now = SystemClock().Wall();
  const auto pair = auth::MakeAuthority({"factory", now, 10});
  REQUIRE(pair.ok());
  const auto proof =
      auth::SignCsr(*auth::MakeCsr(*auth::MakeKey(), "x"), *pair, {"default", now, 10});
  REQUIRE(proof.ok());
  credential::v1::CreateAuthorityRequest create;
  create.set_parent("tenants/-");
  create.set_authority_id("factory");
  create.mutable_authority()->set_pem(pair->certificate_pem);
  create.mutable_authority()->set_registration_product(
      fmt::format("tenants/-/products/{}", kProduct));
  create.set_verification_pem(proof->ToPem());
  credential::v1::Authority authority;
  REQUIRE(api.Ask(&Credentials::CreateAuthority, create, authority).empty());
  const std::string etag = authority.etag();

  credential::v1::UpdateAuthorityRequest update;
  update.mutable_authority()->set_name("tenants/-/authorities/factory");
  update.mutable_authority()->set_disabled(true);
  update.mutable_authority()->set_etag(etag);
  update.mutable_update_mask()->add_paths("disabled");
  REQUIRE(api.Ask(&Credentials::UpdateAuthority, update, authority).empty());
  CHECK(authority.disabled());
  CHECK_FALSE(authority.registration_product().empty());
  CHECK(api.Ask(&Credentials::UpdateAuthority, update, authority) == "ETAG_MISMATCH");
  update.mutable_authority()->clear_etag();
  update.mutable_update_mask()->set_paths(0, "*");
  update.mutable_authority()->set_disabled(false);
  REQUIRE(api.Ask(&Credentials::UpdateAuthority, update, authority).empty());
  CHECK_FALSE(authority.disabled());
  CHECK(authority.registration_product().empty());
  update.mutable_update_mask()->set_paths(0, "none");
  CHECK(api.Ask(&Credentials::UpdateAuthority, update, authority) == "FIELD_INVALID");

  credential::v1::ListAuthoritiesRequest list;
  list.set_parent("tenants/-");
  credential::v1::ListAuthoritiesResponse page;
  REQUIRE(api.Ask(&Credentials::ListAuthorities, list, page).empty());
  REQUIRE(page.authorities_size() == 1);
  credential::v1::DeleteAuthorityRequest remove;
  remove.set_name("tenants/-/authorities/factory");
  remove.set_etag(etag);
  credential::v1::DeleteAuthorityResponse removed;
  CHECK(api.Ask(&Credentials::DeleteAuthority, remove, removed) == "ETAG_MISMATCH");
  remove.set_etag(page.authorities(0).etag());
  CHECK(api.Ask(&Credentials::DeleteAuthority, remove, removed).empty());
}

TEST_CASE("templates: changes by mask and etag") {
  Identities api;
  provisioning::v1::CreateTemplateRequest create;
  create.set_parent("tenants/-");
  create.set_template_id("lamps");
  create.mutable_template_()->set_body_json(kBody);
  provisioning::v1::Template made;
  CHECK(api.Provision(&Provisioning::CreateTemplate, create, made) == "FIELD_INVALID");
  create.mutable_template_()->set_product(fmt::format("tenants/-/products/{}", kProduct));
  create.set_request_id(kOnce);
  REQUIRE(api.Provision(&Provisioning::CreateTemplate, create, made).empty());
  REQUIRE(api.Provision(&Provisioning::CreateTemplate, create, made).empty());
  create.clear_request_id();
  provisioning::v1::Template refused;
  CHECK(api.Provision(&Provisioning::CreateTemplate, create, refused) == "TEMPLATE_EXISTS");

  provisioning::v1::UpdateTemplateRequest update;
  update.mutable_template_()->set_name(made.name());
  update.mutable_template_()->set_disabled(true);
  update.mutable_template_()->set_etag(made.etag());
  provisioning::v1::Template updated;
  REQUIRE(api.Provision(&Provisioning::UpdateTemplate, update, updated).empty());
  CHECK(updated.disabled());
  CHECK(updated.body_json() == kBody);
  CHECK(updated.product() == made.product());
  CHECK(api.Provision(&Provisioning::UpdateTemplate, update, refused) == "ETAG_MISMATCH");
  update.mutable_template_()->clear_etag();
  update.mutable_update_mask()->add_paths("*");
  CHECK(api.Provision(&Provisioning::UpdateTemplate, update, refused) == "TEMPLATE_INVALID");

  provisioning::v1::ListTemplatesRequest list;
  list.set_parent("tenants/-");
  list.set_page_token(made.name());
  provisioning::v1::ListTemplatesResponse page;
  CHECK(api.Provision(&Provisioning::ListTemplates, list, page) == "PAGE_TOKEN_INVALID");
  provisioning::v1::DeleteTemplateRequest remove;
  remove.set_name(made.name());
  remove.set_etag(made.etag());
  provisioning::v1::DeleteTemplateResponse removed;
  CHECK(api.Provision(&Provisioning::DeleteTemplate, remove, removed) == "ETAG_MISMATCH");
  remove.set_etag(updated.etag());
  CHECK(api.Provision(&Provisioning::DeleteTemplate, remove, removed).empty());
}

}  // namespace
}  // namespace homeport::registry::testing
