#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "libs/auth/certificate_maker.h"
#include "libs/auth/credentials.h"
#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/json/cbor.h"
#include "libs/postgres/in_transaction.h"
#include "services/registry/api/certificate_resolver.h"
#include "services/registry/provisioning/requests.h"
#include "services/registry/store/authority_table.h"
#include "services/registry/store/certificate_table.h"
#include "services/registry/store/change_table.h"
#include "services/registry/store/credential_table.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/secrets.h"
#include "services/registry/store/template_table.h"
#include "tests/integration/registry/world.h"
#include "tests/support/authorities.h"

// Credentials, certificates and provisioning on a real PostgreSQL.
namespace homeport::registry::testing {
namespace {

using Change = internal::v1::DirectoryChange;

const Actor kOperator{"default", "test"};

WallMs Now() { return SystemClock().Wall(); }

void MakeDevice(World& world, const std::string& id) {
  DeviceRow row;
  row.id = id;
  row.tenant = "default";
  row.product = kProduct;
  row.secret_sha256 = SecretRow(id, "first").data;
  REQUIRE(RegisterDevice(world.db(), kOperator, row).ok());
}

// `change(transaction, kOperator, what…)`, committed where it succeeds.
template <typename Function, typename... What>
auto Do(World& world, Function change, const What&... what) {
  return postgres::InTransaction(world.db(), [&](postgres::Transaction& transaction) {
    return change(transaction, kOperator, what...);
  });
}

bool Rotate(World& world, std::string_view secret) {
  postgres::Transaction transaction(world.db());
  return ReplaceSecrets(transaction, SecretRow("lamp-1", secret)).ok() && transaction.Commit().ok();
}

// Unlike in the tables of a deployment, the number of the last change is not 0 at the start.
int64_t LastChange(World& world) { return ListChanges(world.db(), -1, 1)->last; }

std::vector<Change> ChangesSince(World& world, int64_t after) {
  const auto changes = ListChanges(world.db(), after, 1000);
  REQUIRE(changes.ok());
  return changes->changes;
}

// ---- credentials ----

TEST_CASE("two credentials of a kind, one revoked, and what gateways are told") {
  World world;
  MakeDevice(world, "lamp-1");
  const int64_t start = LastChange(world);
  const CredentialRow second = SecretRow("lamp-1", "second");
  REQUIRE(Do(world, AddCredential, second).ok());
  CHECK(ReasonOf(Do(world, AddCredential, SecretRow("lamp-1", "third"))) == "CREDENTIALS_MAX");
  CHECK(ListCredentials(world.db(), "lamp-1")->size() == 2);
  REQUIRE(Do(world, RevokeCredential, "lamp-1", second.id).ok());
  CHECK(ReasonOf(Do(world, RevokeCredential, "lamp-1", second.id)) == "CREDENTIAL_NOT_FOUND");
  // An expired one does not stand in the way.
  CredentialRow expired = SecretRow("lamp-1", "short");
  expired.expires_ms = Now().value - 1000;
  REQUIRE(Do(world, AddCredential, expired).ok());
  CHECK(Do(world, AddCredential, SecretRow("lamp-1", "third")).ok());

  const std::vector<Change> changes = ChangesSince(world, start);
  REQUIRE(changes.size() == 4);
  CHECK(changes[0].kind() == Change::KIND_DEVICE);
  CHECK(changes[0].name() == "lamp-1");
  CHECK_FALSE(changes[0].revoked());
  CHECK(changes[1].credential() == second.id);
  CHECK(changes[1].revoked());
  CHECK(world.Sql("SELECT count(*) FROM audit WHERE action LIKE '%Credential'") == "4");
}

TEST_CASE("a rotated secret takes the place of all, and each is announced") {
  World world;
  MakeDevice(world, "lamp-1");
  REQUIRE(Do(world, AddCredential, SecretRow("lamp-1", "second")).ok());
  const int64_t start = LastChange(world);
  REQUIRE(Rotate(world, "third"));
  const auto credentials = ListCredentials(world.db(), "lamp-1");
  REQUIRE(credentials->size() == 1);
  CHECK(auth::VerifySecret("third", credentials->front().data));
  CHECK(ChangesSince(world, start).size() == 2);
  world.Run("DELETE FROM credential");
  REQUIRE(Rotate(world, "first again"));
  CHECK(ChangesSince(world, start).size() == 3);
}

TEST_CASE("a backlog of old changes goes in parts") {
  World world;
  MakeDevice(world, "lamp-1");
  world.Run(
      "DELETE FROM directory_change;"
      "INSERT INTO directory_change (kind, name, credential, revoked, at)"
      " SELECT 1, 'old', '', false, now() - interval '8 days' FROM generate_series(1, 5000)");
  const std::string old = "SELECT count(*) FROM directory_change WHERE name = 'old'";
  for (const char* const left : {"3000", "1000", "1"}) {
    CHECK((Rotate(world, "x") && world.Sql(old) == left));
  }
}

TEST_CASE("changes come in order and by pages, and who was away too long is told") {
  World world;
  MakeDevice(world, "lamp-1");
  const int64_t start = LastChange(world);
  for (int i = 0; i < 3; ++i) REQUIRE(Rotate(world, "x"));
  const auto page = ListChanges(world.db(), start, 2);
  REQUIRE((page.ok() && page->complete));
  REQUIRE(page->changes.size() == 2);
  CHECK(page->last == start + 3);
  CHECK(ListChanges(world.db(), start + 3, 2)->changes.empty());
  world.Run("UPDATE directory_change SET at = now() - interval '8 days'");
  world.Run("SELECT nextval('directory_change_id_seq')");  // of a transaction that was rolled back
  REQUIRE(Rotate(world, "y"));
  CHECK_FALSE(ListChanges(world.db(), start, 10)->complete);
  CHECK(ListChanges(world.db(), start + 3, 10)->complete);
  world.Run("DELETE FROM directory_change");
  CHECK(LastChange(world) == start + 5);
  CHECK_FALSE(ListChanges(world.db(), start, 10)->complete);
}

// ---- certificates ----

struct TestAuthority {
  explicit TestAuthority(const char* name, const TestAuthority* issuer = nullptr)
      : pair(homeport::testing::MakeAuthorityOf(name, issuer == nullptr ? nullptr : &issuer->pair,
                                                Now())),
        certificate(*auth::Certificate::FromPem(pair.certificate_pem)) {}

  [[nodiscard]] auth::Certificate Sign(const std::string& name, int64_t days = 10) const {
    return *auth::SignCsr(*auth::MakeCsr(*auth::MakeKey(), "x"), pair, {name, Now(), days});
  }
  void Register(World& world, const std::string& product, const char* id = "factory") const {
    AuthorityRow row;
    row.tenant = "default";
    row.id = id;
    row.pem = pair.certificate_pem;
    row.certificate_id = certificate.Id();
    row.subject_sha256 = certificate.SubjectSha256();
    row.product = product;
    REQUIRE(Do(world, CreateAuthority, row).ok());
  }

  auth::KeyAndCertificate pair;
  auth::Certificate certificate;
};

std::string DerOf(const auth::Certificate& certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

using Chain = std::vector<auth::Certificate>;

internal::v1::CertificateConfig Resolve(World& world, const auth::Certificate& certificate,
                                        WallMs now = Now(), const Chain& chain = {}) {
  internal::v1::ResolveCertificateRequest request;
  request.set_certificate(DerOf(certificate));
  for (const auth::Certificate& link : chain) request.add_chain(DerOf(link));
  const auto config = ResolveCertificate(world.db(), request, now);
  REQUIRE(config.ok());
  CHECK(config->id() == certificate.Id());
  return *config;
}

TEST_CASE("whose a certificate is") {
  World world;
  const TestAuthority factory("factory"), stranger("factory");
  factory.Register(world, "");
  MakeDevice(world, "lamp-1");

  CHECK(Resolve(world, factory.Sign("lamp-1")).device() == "lamp-1");
  CHECK(Resolve(world, factory.Sign("lamp-1")).authority() == "default/factory");
  CHECK(Resolve(world, stranger.Sign("lamp-1")).refusal() == "unknown");
  CHECK(Resolve(world, factory.Sign("lamp-2")).refusal() == "device_unknown");
  CHECK(Resolve(world, factory.Sign("no device")).refusal() == "names_no_device");
  CHECK(Resolve(world, factory.Sign("lamp-1", 1), {Now().value + 2 * 86'400'000}).refusal() ==
        "expired");
  internal::v1::ResolveCertificateRequest junk;
  junk.set_certificate("junk");
  CHECK(ReasonOf(ResolveCertificate(world.db(), junk, Now()).status()) == "CERTIFICATE_INVALID");

  // One that is registered needs nobody to vouch for it.
  const auth::Certificate own = stranger.Sign("anything");
  CertificateRow row = RowOf(own, "default");
  row.device = "lamp-1";
  REQUIRE(Do(world, CreateCertificate, row).ok() == false);  // lamp-1 has two by now
  MakeDevice(world, "lamp-3");
  row.device = "lamp-3";
  REQUIRE(Do(world, CreateCertificate, row).ok());
  CHECK(Resolve(world, own).device() == "lamp-3");
}

TEST_CASE("an authority with a product registers devices; another tenant's are not its own") {
  World world;
  const TestAuthority factory("factory");
  factory.Register(world, std::string(kProduct));
  CHECK(Resolve(world, factory.Sign("lamp-9")).device() == "lamp-9");
  CHECK(world.Sql("SELECT product FROM device WHERE id = 'lamp-9'") == kProduct);
  world.Run("UPDATE device SET tenant = 'other'");
  CHECK(Resolve(world, factory.Sign("lamp-9")).refusal() == "device_of_another_tenant");
}

TEST_CASE("what an authority loses: a certificate, those of a list, all") {
  World world;
  const TestAuthority factory("factory");
  factory.Register(world, std::string(kProduct));
  const auth::Certificate known = factory.Sign("lamp-1"), listed = factory.Sign("lamp-2"),
                          unseen = factory.Sign("lamp-3"), other = factory.Sign("lamp-4");
  for (const auth::Certificate* certificate : {&known, &listed, &other}) {
    CHECK(Resolve(world, *certificate).refusal().empty());
  }
  REQUIRE(Do(world, RevokeCertificate, known.Id()).ok());
  CHECK(Resolve(world, known).refusal() == "revoked");

  const int64_t start = LastChange(world);
  AuthorityRow row = *FindAuthority(world.db(), "default", "factory");
  REQUIRE(Do(world, SetRevokedSerials, row, std::vector{listed.Serial(), unseen.Serial()}).ok());
  CHECK(Resolve(world, listed).refusal() == "revoked");
  CHECK(Resolve(world, unseen).refusal() == "revoked");
  const std::vector<Change> changes = ChangesSince(world, start);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].kind() == Change::KIND_AUTHORITY);
  CHECK(changes[1].name() == listed.Id());

  row.disabled = true;
  REQUIRE(Do(world, UpdateAuthority, row).ok());
  CHECK(Resolve(world, other).refusal() == "authority_disabled");
  row.disabled = false;
  REQUIRE(Do(world, UpdateAuthority, row).ok());
  CHECK(Resolve(world, other).refusal().empty());
  REQUIRE(Do(world, DeleteAuthority, "default", "factory").ok());
  CHECK(Resolve(world, other).refusal() == "revoked");
  CHECK(Resolve(world, factory.Sign("lamp-4")).refusal() == "unknown");
}

void Revoke(World& world, const char* authority, const std::vector<std::string>& serials) {
  const AuthorityRow row = *FindAuthority(world.db(), "default", authority);
  REQUIRE(Do(world, SetRevokedSerials, row, serials).ok());
}

TEST_CASE("an authority's list revokes the authorities it signed, and what goes through them") {
  World world;
  const TestAuthority root("root"), plant("plant", &root), other("other plant", &root);
  root.Register(world, std::string(kProduct));
  const Chain through_plant = {plant.certificate}, through_other = {other.certificate};
  const auth::Certificate early = plant.Sign("lamp-1"), late = plant.Sign("lamp-2"),
                          apart = other.Sign("lamp-3"), direct = root.Sign("lamp-4"),
                          old = plant.Sign("lamp-5"), unproven = plant.Sign("lamp-6");
  CHECK(Resolve(world, early).refusal() == "unknown");
  for (const auth::Certificate* certificate : {&early, &old, &unproven}) {
    CHECK(Resolve(world, *certificate, Now(), through_plant).refusal().empty());
  }
  CHECK(Resolve(world, apart, Now(), through_other).refusal().empty());
  CHECK(Resolve(world, direct).refusal().empty());
  // These two were introduced when nobody noted through whom; one has come with its chain since.
  for (const auth::Certificate* certificate : {&old, &unproven}) {
    world.Run("UPDATE certificate SET link_serial = '' WHERE id = '" + certificate->Id() + "'");
  }
  CHECK(Resolve(world, old, Now(), through_plant).refusal().empty());

  // That another authority gave out the same number is nothing to the list.
  Revoke(world, "factory", {early.Serial(), apart.Serial()});
  CHECK(Resolve(world, early).refusal().empty());
  CHECK(Resolve(world, apart).refusal().empty());

  const int64_t start = LastChange(world);
  Revoke(world, "factory", {plant.certificate.Serial()});
  CHECK(Resolve(world, late, Now(), through_plant).refusal() == "revoked");
  CHECK(world.Sql("SELECT count(*) FROM device WHERE id = 'lamp-2'") == "0");
  CHECK(Resolve(world, early).refusal() == "revoked");
  CHECK(Resolve(world, old).refusal() == "revoked");
  CHECK(Resolve(world, unproven).refusal().empty());  // until it shows through whom it came
  CHECK(Resolve(world, unproven, Now(), through_plant).refusal() == "revoked");
  CHECK(Resolve(world, unproven).refusal() == "revoked");
  CHECK(Resolve(world, apart).refusal().empty());
  CHECK(Resolve(world, direct).refusal().empty());
  std::vector<std::string> told;
  for (const Change& change : ChangesSince(world, start)) {
    if (change.kind() == Change::KIND_CERTIFICATE && change.revoked()) {
      told.push_back(change.name());
    }
  }
  std::sort(told.begin(), told.end());
  std::vector<std::string> expected = {early.Id(), old.Id()};
  std::sort(expected.begin(), expected.end());
  CHECK(told == expected);
}

TEST_CASE("of two authorities on a path the nearest vouches, and its list counts") {
  World world;
  const TestAuthority root("root"), plant("plant", &root);
  root.Register(world, std::string(kProduct), "root");
  plant.Register(world, std::string(kProduct), "plant");
  const Chain chain = {plant.certificate};
  CHECK(Resolve(world, plant.Sign("lamp-1"), Now(), chain).authority() == "default/plant");
  const auth::Certificate lost = plant.Sign("lamp-2");
  Revoke(world, "plant", {lost.Serial()});
  CHECK(Resolve(world, lost, Now(), chain).refusal() == "revoked");
}

// ---- provisioning ----

constexpr char kTemplate[] = R"({"Parameters":{"Serial":{"Type":"String"}},
  "Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{
    "ThingName":{"Fn::Join":["",["lamp-",{"Ref":"Serial"}]]}}}}})";

class Factory {
 public:
  explicit Factory(CertificateSigner::Options options = WithBox())
      : signer_(std::move(options)), requests_(signer_) {
    TemplateRow row{
        .tenant = "default", .name = "lamps", .body = kTemplate, .product = std::string(kProduct)};
    REQUIRE(Do(world, CreateTemplate, row).ok());
    request.set_tenant("default");
    request.set_certificate("c1a1");
    request.set_template_("lamps");
  }

  static CertificateSigner::Options WithBox() {
    return {.box = *auth::SealedBox::FromHex(std::string(64, '7')), .command = "", .days = 30};
  }

  ProvisionRequests::Answer Ask(std::string_view detail, const std::string& payload,
                                int64_t later_ms = 0) {
    request.set_payload(payload);
    auto answer = requests_.Carry(world.db(), detail, request, cbor, {Now().value + later_ms});
    INFO(answer.status());
    REQUIRE(answer.ok());
    return *std::move(answer);
  }
  std::string Token() { return *Ask("create", "{}").body.FindString("certificateOwnershipToken"); }
  ProvisionRequests::Answer Provision(const std::string& token, const std::string& serial) {
    return Ask("lamps/provision",
               fmt::format(R"({{"certificateOwnershipToken":"{}","parameters":{{"Serial":"{}"}}}})",
                           token, serial));
  }

  World world;
  internal::v1::ProvisionRequest request;
  bool cbor = false;

 private:
  const CertificateSigner signer_;
  const ProvisionRequests requests_;
};

std::string TextOf(const json::Object& body, std::string_view name) {
  const std::string* text = body.FindString(name);
  return text == nullptr ? "" : *text;
}

TEST_CASE("a device is provisioned: keys, certificate, thing") {
  Factory factory;
  const auto created = factory.Ask("create", "");
  REQUIRE(created.accepted);
  const auto certificate = auth::Certificate::FromPem(TextOf(created.body, "certificatePem"));
  REQUIRE(certificate.ok());
  CHECK(certificate->Id() == TextOf(created.body, "certificateId"));
  CHECK(TextOf(created.body, "privateKey").find("BEGIN PRIVATE KEY") != std::string::npos);
  CHECK(Resolve(factory.world, *certificate).refusal() == "pending");

  const std::string token = TextOf(created.body, "certificateOwnershipToken");
  const auto provisioned = factory.Provision(token, "7");
  REQUIRE(provisioned.accepted);
  CHECK(TextOf(provisioned.body, "thingName") == "lamp-7");
  CHECK(provisioned.body.FindObject("deviceConfiguration") != nullptr);
  CHECK(Resolve(factory.world, *certificate).device() == "lamp-7");
  CHECK(factory.world.Sql("SELECT product FROM device WHERE id = 'lamp-7'") == kProduct);
  // Asked again, because the answer was lost: the same. For another thing: no.
  CHECK(factory.Provision(token, "7").accepted);
  CHECK(factory.Provision(token, "8").outcome == "InvalidCertificateOwnershipToken");
  CHECK(factory.world.Sql("SELECT octet_length(sealed_key) > 100 AND "
                          "position('PRIVATE' in encode(sealed_key, 'escape')) = 0 "
                          "FROM authority") == "t");
}

TEST_CASE("a request of the device's own, in CBOR") {
  Factory factory;
  factory.cbor = true;
  json::Object body;
  const auto key = auth::MakeKey();
  body.Set("certificateSigningRequest", *auth::MakeCsr(*key, "me"));
  std::string payload;
  json::WriteCbor(json::Value(body), payload);
  const auto answer = factory.Ask("create-from-csr", payload);
  REQUIRE(answer.accepted);
  CHECK_FALSE(answer.body.Has("privateKey"));
  CHECK(factory.Ask("create-from-csr", "\xff").outcome == "InvalidRequest");
}

TEST_CASE("what provisioning refuses") {
  Factory factory;
  const std::string token = factory.Token();
  CHECK(factory.Ask("create-from-csr", "{}").outcome == "InvalidRequest");
  CHECK(factory.Ask("create-from-csr", R"({"certificateSigningRequest":"x"})").outcome ==
        "InvalidCertificateSigningRequest");
  CHECK(factory.Ask("create", "[").outcome == "InvalidRequest");
  CHECK(factory.Ask("create", std::string(11'000, ' ')).outcome == "PayloadTooLarge");
  CHECK(factory.Ask("something", "{}").outcome == "InvalidRequest");
  CHECK(factory.Ask("plugs/provision", "{}").outcome == "AccessDenied");
  CHECK(factory.Ask("lamps/provision", "{}").outcome == "InvalidCertificateOwnershipToken");
  CHECK(factory.Provision("x", "1").outcome == "InvalidCertificateOwnershipToken");
  CHECK(factory.Provision(token + "x", "1").outcome == "InvalidCertificateOwnershipToken");
  CHECK(factory.Provision(token, "a b").outcome == "InvalidParameters");
  CHECK(factory
            .Ask("lamps/provision",
                 fmt::format(R"({{"certificateOwnershipToken":"{}","parameters":{{"A":"1"}}}})",
                             token))
            .outcome == "InvalidParameters");
  CHECK(
      factory
          .Ask("lamps/provision",
               fmt::format(R"({{"certificateOwnershipToken":"{}","parameters":{{"Serial":"1"}}}})",
                           token),
               ProvisionRequests::kTokenMs + 1000)
          .outcome == "InvalidCertificateOwnershipToken");
  factory.world.Run("UPDATE provisioning_template SET disabled = true");
  CHECK(factory.Provision(token, "1").outcome == "ResourceNotFound");
  factory.world.Run("UPDATE provisioning_template SET disabled = false");
  factory.world.Run("INSERT INTO device (id, tenant, product) VALUES ('lamp-1', 'other', 'x')");
  CHECK(factory.Provision(token, "1").outcome == "ResourceConflict");
  factory.request.set_tenant("other");
  CHECK(factory.Provision(token, "2").outcome == "ResourceNotFound");
}

TEST_CASE("a device renews its certificate; the newest two are valid") {
  Factory factory;
  REQUIRE(factory.Provision(factory.Token(), "1").accepted);
  factory.request.clear_template_();
  factory.request.set_device("lamp-1");
  for (int i = 0; i < 2; ++i) REQUIRE(factory.Provision(factory.Token(), "1").accepted);
  CHECK(factory.world.Sql("SELECT count(*) FROM certificate WHERE state = 'active'") == "2");
  CHECK(factory.world.Sql("SELECT state FROM certificate ORDER BY created_at LIMIT 1") ==
        "revoked");
  CHECK(factory.Provision(factory.Token(), "2").outcome == "AccessDenied");
}

TEST_CASE("certificates that nobody provisions are removed after their hour") {
  Factory factory;
  CHECK(factory.Ask("create", "{}").accepted);
  CHECK(DropPendingCertificates(factory.world.db()).value() == 0);
  factory.world.Run("UPDATE certificate SET pending_until = now() - interval '1 second'");
  CHECK(DropPendingCertificates(factory.world.db()).value() == 1);
}

TEST_CASE("without an authority nothing is signed; with a program elsewhere it is") {
  Factory none(CertificateSigner::Options{});
  CHECK(none.Ask("create", "{}").outcome == "NoSigningAuthority");

  const homeport::testing::TempFolder folder;
  const TestAuthority elsewhere("elsewhere");
  std::ofstream(folder.path() + "/ca.pem") << elsewhere.pair.certificate_pem;
  std::ofstream(folder.path() + "/ca.key") << elsewhere.pair.key_pem;
  const std::string program = folder.path() + "/sign";
  std::ofstream(program) << fmt::format(
      "#!/bin/sh\nexec openssl x509 -req -CA {0}/ca.pem -CAkey {0}/ca.key -days \"$1\" "
      "2>/dev/null\n",
      folder.path());
  REQUIRE(::chmod(program.c_str(), 0700) == 0);
  Factory factory({.box = std::nullopt, .command = program, .days = 3});
  const auto answer = factory.Ask("create", "{}");
  REQUIRE(answer.accepted);
  const auto made = auth::Certificate::FromPem(TextOf(answer.body, "certificatePem"));
  REQUIRE(made.ok());
  CHECK(made->VerifyBy(elsewhere.certificate, {}, Now()).ok());

  std::ofstream(program) << "#!/bin/sh\ncat\n";
  factory.request.set_payload("{}");
  const CertificateSigner signer({.box = std::nullopt, .command = program, .days = 3});
  CHECK(absl::IsUnavailable(ProvisionRequests(signer)
                                .Carry(factory.world.db(), "create", factory.request, false, Now())
                                .status()));
}

}  // namespace
}  // namespace homeport::registry::testing
