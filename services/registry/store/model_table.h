#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/ids.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// The table product_version: every version a product's model has had, numbered from 1, never
// changed, each text once. Errors carry the reasons MODEL_VERSION_NOT_FOUND,
// MODEL_VERSIONS_TOO_MANY, MODEL_VERSION_IN_USE.
struct ModelRow {
  std::string product;
  std::string tenant;  // of the product
  int64_t version = 0;
  std::string urn;
  std::string model;  // MIoT-Spec-V2 instance
  int64_t created_ms = 0;
};

// The number of the version with this text, added where there is none. REQUIRES: the caller has
// locked the row of the product; `model` can be parsed.
[[nodiscard]] absl::StatusOr<int64_t> KeepModelVersion(postgres::Transaction& transaction,
                                                       const std::string& product,
                                                       const std::string& model,
                                                       int64_t versions_max);

[[nodiscard]] absl::StatusOr<ModelRow> FindModelVersion(postgres::Connection& connection,
                                                        const TenantId& tenant,
                                                        const ProductId& product, int64_t version);

// The version of that product before this one; version 0 where there is none.
[[nodiscard]] absl::StatusOr<ModelRow> FindPrecedingModel(postgres::Connection& connection,
                                                          const ModelRow& row);

// The version that the device runs: the one it named, else its product's current one; version 0
// where it has no model.
[[nodiscard]] absl::StatusOr<ModelRow> FindRunningModel(postgres::Connection& connection,
                                                        const DeviceId& device);

// The versions of a product above one, with their texts, in the order of their numbers: as many as
// have `bytes_max` together, but one at least.
struct ModelPage {
  std::vector<ModelRow> models;
  bool has_more = false;
};
[[nodiscard]] absl::StatusOr<ModelPage> ModelsOfProduct(postgres::Connection& connection,
                                                        const std::string& product, int64_t after,
                                                        int64_t bytes_max);

// Which versions to list: of one product or, with "", of all; with one URN or, with "", any.
struct ModelQuery {
  std::string product;
  std::string urn;
  std::string after_product;  // those behind this one
  int64_t after_version = 0;
  int64_t limit = 0;
};
// Sorted by product and version; models are left out.
[[nodiscard]] absl::StatusOr<std::vector<ModelRow>> ListModelVersions(
    postgres::Connection& connection, const TenantId& tenant, const ModelQuery& query);

// Refused for the product's current version. Devices that named it follow that one.
[[nodiscard]] absl::Status DeleteModelVersion(postgres::Transaction& transaction,
                                              const TenantId& tenant, const ProductId& product,
                                              int64_t version);

}  // namespace homeport::registry
