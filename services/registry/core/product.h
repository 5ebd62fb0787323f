#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/model/model.h"

namespace homeport::registry {

// A product as reports are checked against it. Immutable.
struct Product {
  std::string id;
  std::string tenant;
  std::optional<model::Model> model;
  bool allow_unregistered = false;
  bool skip_unchanged = false;  // an update that changes nothing makes no version and no delta
  int64_t version = 0;
};

// The products a transaction may need, looked up before it begins.
class ProductSource {
 public:
  virtual ~ProductSource() = default;
  // Null: there is no such product. Valid during the transaction.
  [[nodiscard]] virtual const Product* Find(std::string_view id) const = 0;
};

}  // namespace homeport::registry
