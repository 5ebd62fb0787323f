#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "homeport/internal/v1/directory.pb.h"
#include "libs/auth/access_policy.h"
#include "libs/model/versions.h"
#include "services/gateway/flow/tenant_usage.h"

namespace homeport::gateway {

// A product as the gateway needs it. Immutable.
struct ProductInfo {
  std::string product;
  std::string tenant;
  std::string fleet_key;
  std::string revision;  // another after every change, but of allow_unregistered
  bool allow_unregistered = false;
  bool is_hub = false;  // its devices may have children
  // In the order of their numbers; never null.
  std::shared_ptr<const std::vector<model::Version>> models =
      std::make_shared<std::vector<model::Version>>();
  int64_t model_version = 0;  // the current one; 0: the product has no model
  auth::AccessPolicy policy;
  std::shared_ptr<TenantUsage> usage;  // shared by the tenant's products; never null

  // The model that a device runs which says it runs the version `named` (0: it says nothing); null
  // where there is none.
  [[nodiscard]] const model::Model* ModelOf(int64_t named) const {
    const model::Versions versions{*models, model_version};
    return versions.Find(versions.Running(named));
  }
};

// Reads a product from the registry. Its models may come in several answers, and do not come at all
// while the product is of the revision that is known. One thread at a time.
class ProductReading {
 public:
  using Product = std::shared_ptr<const ProductInfo>;

  // `known`: null where nothing is.
  ProductReading(std::string product, Product known)
      : product_(std::move(product)), known_(std::move(known)) {}

  [[nodiscard]] const std::string& product() const { return product_; }
  [[nodiscard]] internal::v1::GetProductConfigRequest Next() const;
  // The answer to it. True: there is no more to ask for.
  [[nodiscard]] bool Take(internal::v1::ProductConfig answer);

  // What is known itself, where it is still right: who holds it and who asks now share it. Errors:
  // Aborted when the product has changed between the answers again and again; Internal when the
  // answers do not come to an end; InvalidArgument when its policy is unusable. REQUIRES: Take was
  // true; once.
  [[nodiscard]] absl::StatusOr<Product> Result(TenantUsages& usages);

 private:
  [[nodiscard]] bool IsKnown() const;
  [[nodiscard]] Product Known() const;
  void Add(const internal::v1::ModelConfig& version);

  const std::string product_;
  const Product known_;
  internal::v1::ProductConfig last_;
  std::vector<model::Version> models_;
  int64_t models_up_to_ = 0;
  int beginnings_ = 1;
  bool is_stuck_ = false;
};

}  // namespace homeport::gateway
