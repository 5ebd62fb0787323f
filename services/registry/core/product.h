#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/model/versions.h"
#include "services/registry/core/property_filter.h"

namespace homeport::registry {

// A product as reports are checked against it. Immutable.
struct Product {
  std::string id;
  std::string tenant;
  std::vector<model::Version> models;  // in the order of their numbers; few
  int64_t model_version = 0;           // the current one; 0 = devices have no model
  bool allow_unregistered = false;
  bool skip_unchanged = false;  // an update that changes nothing makes no version and no delta
  bool is_hub = false;          // its devices may have children
  PropertyFilter history;       // whose reported values are kept
  int64_t version = 0;
  int64_t created_us = 0;  // Unix; with the version it names what the product is

  [[nodiscard]] model::Versions versions() const { return {models, model_version}; }
};

// The products a transaction may need, looked up before it begins.
class ProductSource {
 public:
  virtual ~ProductSource() = default;
  // Null: there is no such product. Valid during the transaction.
  [[nodiscard]] virtual const Product* Find(std::string_view id) const = 0;
  // Whether the tenant of a product that was found may have more devices.
  [[nodiscard]] virtual bool HasRoom(std::string_view tenant) const = 0;
};

}  // namespace homeport::registry
