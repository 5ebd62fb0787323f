#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/postgres/connection.h"
#include "services/registry/core/product.h"

namespace homeport::registry {

// The products seen so far, by id; null where there is none of that id; and which of their tenants
// have used up their quota of devices. Immutable.
class ProductMap final : public ProductSource {
 public:
  using Map =
      std::unordered_map<std::string, std::shared_ptr<const Product>, StringHash, StringEqual>;
  ProductMap() = default;
  using Tenants = std::set<std::string, std::less<>>;
  ProductMap(Map products, Tenants full) : products_(std::move(products)), full_(std::move(full)) {}

  [[nodiscard]] const Product* Find(std::string_view id) const override;
  [[nodiscard]] bool HasRoom(std::string_view tenant) const override {
    return full_.find(tenant) == full_.end();
  }
  [[nodiscard]] const Map& all() const { return products_; }

 private:
  Map products_;
  Tenants full_;
};

// Parsed product models, shared by the threads of a process (shared_ptr: a reader keeps the map it
// began with). What is cached is compared with the table's versions once a second, so an update
// made anywhere is seen by then. Thread-safe.
class Catalog {
 public:
  static constexpr int64_t kCheckMs = 1000;

  explicit Catalog(const Clock& clock) : clock_(clock) {}

  // A map in which every one of `ids` is looked up and nothing is older than kCheckMs.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const ProductMap>> Lookup(
      postgres::Transaction& transaction, const std::vector<std::string_view>& ids);

 private:
  [[nodiscard]] absl::Status Refresh(postgres::Transaction& transaction,
                                     const std::vector<std::string_view>& missing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock& clock_;
  absl::Mutex mutex_;
  std::shared_ptr<const ProductMap> products_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<ProductMap>();
  MonoMs checked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::registry
