#include "services/registry/api/field_mask.h"

#include <catch2/catch.hpp>

#include "homeport/tenant/v1/tenant.pb.h"

namespace homeport::registry {
namespace {

using tenant::v1::Tenant;

struct Row {
  std::string name = "old";
  int64_t devices = 1;
  int64_t products = 2;
  friend bool operator==(const Row&, const Row&) = default;
};

constexpr UpdateField<Tenant, Row> kFields[] = {
    {"display_name", [](const Tenant& tenant) { return !tenant.display_name().empty(); },
     [](const Tenant& tenant, Row& row) { row.name = tenant.display_name(); }},
    {"quota.devices", [](const Tenant& tenant) { return tenant.has_quota(); },
     [](const Tenant& tenant, Row& row) { row.devices = tenant.quota().devices(); }},
    {"quota.products", [](const Tenant& tenant) { return tenant.has_quota(); },
     [](const Tenant& tenant, Row& row) { row.products = tenant.quota().products(); }},
};

TEST_CASE("what a mask names is changed, and nothing else") {
  struct {
    std::vector<std::string> paths;
    Row wanted;
  } const rows[] = {
      {{}, {"new", 1, 2}},  // what is set
      {{"display_name"}, {"new", 1, 2}},
      {{"quota"}, {"old", 0, 0}},
      {{"quota.products"}, {"old", 1, 0}},
      {{"*"}, {"new", 0, 0}},
      {{"etag", "usage"}, {"old", 1, 2}},  // of the message, and not the caller's
  };
  Tenant tenant;
  tenant.set_display_name("new");
  for (const auto& row : rows) {
    google::protobuf::FieldMask mask;
    for (const std::string& path : row.paths) mask.add_paths(path);
    Row merged;
    INFO(mask.ShortDebugString());
    CHECK(MergeFields(tenant, mask, kFields, merged).ok());
    CHECK(merged == row.wanted);
  }
}

TEST_CASE("a mask of what is no field is refused") {
  for (const char* path : {"", "none", "quota.", "quota.none", "display_name.x"}) {
    google::protobuf::FieldMask mask;
    mask.add_paths(path);
    Row row;
    INFO(path);
    CHECK(ReasonOf(MergeFields(Tenant(), mask, kFields, row)) == "FIELD_INVALID");
  }
}

}  // namespace
}  // namespace homeport::registry
