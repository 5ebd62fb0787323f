#include "services/registry/store/catalog.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/model/parse.h"
#include "services/registry/store/json_map.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Result;
using postgres::Statement;

// Sends the texts only of products that are not cached in their present version.
constexpr Statement kChanged{
    "catalog_changed",
    "SELECT p.id, tenant, model_version, allow_unregistered, p.version, shadow_skip_unchanged,"
    " is_hub, array_to_json(history_properties)::text "
    "FROM unnest($1::text[], $2::int8[]) AS u (id, version) JOIN product p ON p.id = u.id "
    "WHERE p.version <> u.version"};
constexpr Statement kModels{"catalog_models",
                            "SELECT v.product, v.version, v.model "
                            "FROM unnest($1::text[]) AS u (id) JOIN product_version v "
                            "ON v.product = u.id ORDER BY v.product, v.version"};

constexpr int64_t kUnknownVersion = -1;

using Changed = std::unordered_map<std::string_view, std::shared_ptr<Product>>;

std::shared_ptr<Product> ReadProduct(const Result& rows, size_t row) {
  auto product = std::make_shared<Product>();
  product->id = rows.Text(row, 0);
  product->tenant = rows.Text(row, 1);
  product->model_version = rows.Int8(row, 2);
  product->allow_unregistered = rows.Bool(row, 3);
  product->version = rows.Int8(row, 4);
  product->skip_unchanged = rows.Bool(row, 5);
  product->is_hub = rows.Bool(row, 6);
  product->history = PropertyFilter(ReadStringList(rows.Text(row, 7)));
  return product;
}

// Of the same snapshot as the products, or of a later one: what is too new is not yet named.
absl::Status ReadModels(postgres::Connection& connection, const Changed& changed) {
  Array ids = Array::OfText();
  for (const auto& [id, product] : changed) ids.Add(id);
  HP_ASSIGN_OR_RETURN(const Result rows, connection.Execute(kModels, Params().Add(std::move(ids))));
  for (size_t i = 0; i < rows.size(); ++i) {
    Product& product = *changed.at(rows.Text(i, 0));
    absl::StatusOr<model::Model> parsed = model::ParseModel(rows.Text(i, 2));
    if (parsed.ok()) {
      product.models.push_back({rows.Int8(i, 1), std::move(parsed).value()});
    } else {
      log::Error(
          "stored_model_unusable",
          {{"product", product.id}, {"version", rows.Int8(i, 1)}, {"error", parsed.status()}});
    }
  }
  return absl::OkStatus();
}

}  // namespace

const Product* ProductMap::Find(std::string_view id) const {
  const auto at = products_.find(id);
  return at == products_.end() ? nullptr : at->second.get();
}

absl::StatusOr<std::shared_ptr<const ProductMap>> Catalog::Lookup(
    postgres::Connection& connection, const std::vector<std::string_view>& ids) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string_view> missing;
  for (const std::string_view id : ids) {
    if (products_->all().find(id) == products_->all().end()) missing.push_back(id);
  }
  if (!missing.empty() || clock_.Now() - checked_ >= kCheckMs) {
    HP_RETURN_IF_ERROR(Refresh(connection, missing));
  }
  return products_;
}

absl::Status Catalog::Refresh(postgres::Connection& connection,
                              const std::vector<std::string_view>& missing) {
  ProductMap::Map products = products_->all();
  // Ids that name no product are kept for one round only: a peer can make up any number.
  std::erase_if(products, [](const auto& entry) { return entry.second == nullptr; });
  for (const std::string_view id : missing) products.emplace(std::string(id), nullptr);
  Array ids = Array::OfText(), versions = Array::OfInt8();
  for (const auto& [id, product] : products) {
    ids.Add(id);
    versions.AddInt8(product ? product->version : kUnknownVersion);
  }
  if (!ids.empty()) {
    HP_ASSIGN_OR_RETURN(
        const Result rows,
        connection.Execute(kChanged, Params().Add(std::move(ids)).Add(std::move(versions))));
    Changed changed;
    for (size_t i = 0; i < rows.size(); ++i) changed[rows.Text(i, 0)] = ReadProduct(rows, i);
    if (!changed.empty()) HP_RETURN_IF_ERROR(ReadModels(connection, changed));
    for (auto& [id, product] : changed) products[std::string(id)] = std::move(product);
  }
  products_ = std::make_shared<ProductMap>(std::move(products));
  checked_ = clock_.Now();
  return absl::OkStatus();
}

}  // namespace homeport::registry
