#include "services/gateway/identity/revocations.h"

#include <catch2/catch.hpp>

#include "libs/base/hash.h"

namespace homeport::gateway {
namespace {

DirectoryChange Change(DirectoryChange::Kind kind, const std::string& name,
                       const std::string& credential = "", bool revoked = true) {
  DirectoryChange change;
  change.set_kind(kind);
  change.set_name(name);
  change.set_credential(credential);
  change.set_revoked(revoked);
  return change;
}

Identity ByCertificate(const std::string& device, const std::string& id,
                       const std::string& authority) {
  auto certificate = std::make_shared<CertificateConfig>();
  certificate->set_id(id);
  certificate->set_authority(authority);
  Identity identity;
  identity.device = device;
  identity.certificate = certificate;
  return identity;
}

TEST_CASE("who is covered by what was revoked") {
  Identity by_secret;
  by_secret.device = "lamp-1";
  by_secret.credential = Hash64("secret-a");
  Identity by_fleet_key;
  by_fleet_key.device = "lamp-1";
  auto product = std::make_shared<ProductInfo>();
  product->product = "lamp";
  by_fleet_key.product = product;
  const Identity by_certificate = ByCertificate("lamp-1", "c1", "acme/ca");
  const Identity registered = ByCertificate("lamp-2", "c2", "");

  struct Row {
    DirectoryChange change;
    bool secret, fleet_key, certificate, registered;
  };
  for (const Row& row : {
           Row{Change(DirectoryChange::KIND_DEVICE, "lamp-1"), true, true, true, false},
           Row{Change(DirectoryChange::KIND_DEVICE, "lamp-1", "secret-a"), true, false, false,
               false},
           Row{Change(DirectoryChange::KIND_DEVICE, "lamp-1", "secret-b"), false, false, false,
               false},
           Row{Change(DirectoryChange::KIND_DEVICE, "lamp-2", "secret-a"), false, false, false,
               false},
           Row{Change(DirectoryChange::KIND_CERTIFICATE, "c1"), false, false, true, false},
           Row{Change(DirectoryChange::KIND_AUTHORITY, "acme/ca"), false, false, true, false},
           Row{Change(DirectoryChange::KIND_AUTHORITY, ""), false, false, false, false},
           Row{Change(DirectoryChange::KIND_DEVICE, "lamp-1", "", false), false, false, false,
               false},
           Row{Change(DirectoryChange::KIND_PRODUCT, "lamp-1"), false, false, false, false},
           Row{Change(DirectoryChange::KIND_PRODUCT, "lamp"), false, true, false, false},
           Row{Change(DirectoryChange::KIND_PRODUCT, "lamp", "", false), false, false, false,
               false},
       }) {
    INFO(row.change.ShortDebugString());
    Revoked revoked;
    revoked.Add(row.change);
    CHECK(revoked.Covers(by_secret) == row.secret);
    CHECK(revoked.Covers(by_fleet_key) == row.fleet_key);
    CHECK(revoked.Covers(by_certificate) == row.certificate);
    CHECK(revoked.Covers(registered) == row.registered);
  }
}

}  // namespace
}  // namespace homeport::gateway
