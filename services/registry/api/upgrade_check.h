#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "libs/model/compatibility.h"
#include "services/registry/store/product_table.h"

namespace homeport::registry {

// INVALID_ARGUMENT MODEL_INVALID for what is no model; the metadata has the path within it
// ("services[2].properties[0].format").
[[nodiscard]] grpc::Status CheckModelJson(const std::string& model);

// The compatibility gate of one call that changes a product's model, and what it said.
class UpgradeCheck {
 public:
  explicit UpgradeCheck(bool allow_breaking) : allow_breaking_(allow_breaking) {}

  // Fails with MODEL_BREAKING. To have no model any more breaks everything. Borrows the check.
  [[nodiscard]] ModelGate gate();
  [[nodiscard]] const model::Comparison& comparison() const { return comparison_; }
  // As rpc::ToGrpc; a refusal of the gate with its differences, as far as they fit a trailer.
  [[nodiscard]] grpc::Status ToAnswer(const absl::Status& status) const;

 private:
  [[nodiscard]] absl::Status Check(const std::string& was, const std::string& now);

  const bool allow_breaking_;
  model::Comparison comparison_;
};

}  // namespace homeport::registry
