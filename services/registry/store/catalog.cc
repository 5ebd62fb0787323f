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

// Those that are not cached as they are now, by the id asked for; without a row of `product` where
// there is none. A product that was deleted and made again may have the version of the former.
constexpr Statement kChanged{
    "catalog_changed",
    "SELECT u.id, p.id IS NOT NULL, coalesce(tenant, ''), coalesce(model_version, 0),"
    " coalesce(allow_unregistered, false), coalesce(p.version, 0),"
    " coalesce(shadow_skip_unchanged, false), coalesce(is_hub, false),"
    " coalesce(array_to_json(history_properties)::text, '[]'),"
    " coalesce((extract(epoch FROM p.created_at) * 1000000)::int8, 0) "
    "FROM unnest($1::text[], $2::int8[], $3::int8[]) AS u (id, version, created_us)"
    " LEFT JOIN product p ON p.id = u.id "
    "WHERE p.id IS NULL OR p.version <> u.version"
    " OR (extract(epoch FROM p.created_at) * 1000000)::int8 <> u.created_us"};
constexpr Statement kModels{"catalog_models",
                            "SELECT v.product, v.version, v.model "
                            "FROM unnest($1::text[]) AS u (id) JOIN product_version v "
                            "ON v.product = u.id ORDER BY v.product, v.version"};

constexpr Statement kFull{"catalog_full_tenants",
                          "SELECT id FROM tenant t WHERE id = ANY ($1::text[]) AND devices_max > 0"
                          " AND devices_max <= coalesce((SELECT sum(devices) FROM tenant_usage u"
                          " WHERE u.tenant = t.id), 0)"};

constexpr int64_t kUnknownVersion = -1;

using Changed = std::unordered_map<std::string_view, std::shared_ptr<Product>>;

std::shared_ptr<Product> ReadProduct(const Result& rows, size_t row) {
  auto product = std::make_shared<Product>();
  product->id = rows.Text(row, 0);
  product->tenant = rows.Text(row, 2);
  product->model_version = rows.Int8(row, 3);
  product->allow_unregistered = rows.Bool(row, 4);
  product->version = rows.Int8(row, 5);
  product->skip_unchanged = rows.Bool(row, 6);
  product->is_hub = rows.Bool(row, 7);
  product->history = PropertyFilter(ReadStringList(rows.Text(row, 8)));
  product->created_us = rows.Int8(row, 9);
  return product;
}

// Of the same snapshot as the products, or of a later one: what is too new is not yet named.
absl::Status ReadModels(postgres::Transaction& transaction, const Changed& changed) {
  Array ids = Array::OfText();
  for (const auto& [id, product] : changed) ids.Add(id);
  HP_ASSIGN_OR_RETURN(const Result rows,
                      transaction.Execute(kModels, Params().Add(std::move(ids))));
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

absl::StatusOr<ProductMap::Tenants> FullTenants(postgres::Transaction& transaction,
                                                const ProductMap::Map& products) {
  ProductMap::Tenants tenants;
  for (const auto& [id, product] : products) {
    if (product != nullptr) tenants.insert(product->tenant);
  }
  ProductMap::Tenants full;
  if (tenants.empty()) return full;
  Array ids = Array::OfText();
  for (const std::string& tenant : tenants) ids.Add(tenant);
  HP_ASSIGN_OR_RETURN(const Result rows, transaction.Execute(kFull, Params().Add(std::move(ids))));
  for (size_t i = 0; i < rows.size(); ++i) full.emplace(rows.Text(i, 0));
  return full;
}

}  // namespace

const Product* ProductMap::Find(std::string_view id) const {
  const auto at = products_.find(id);
  return at == products_.end() ? nullptr : at->second.get();
}

absl::StatusOr<std::shared_ptr<const ProductMap>> Catalog::Lookup(
    postgres::Transaction& transaction, const std::vector<std::string_view>& ids) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string_view> missing;
  for (const std::string_view id : ids) {
    if (products_->all().find(id) == products_->all().end()) missing.push_back(id);
  }
  if (!missing.empty() || clock_.Now() - checked_ >= kCheckMs) {
    HP_RETURN_IF_ERROR(Refresh(transaction, missing));
  }
  return products_;
}

absl::Status Catalog::Refresh(postgres::Transaction& transaction,
                              const std::vector<std::string_view>& missing) {
  ProductMap::Map products = products_->all();
  // Ids that name no product are kept for one round only: a peer can make up any number.
  std::erase_if(products, [](const auto& entry) { return entry.second == nullptr; });
  for (const std::string_view id : missing) products.emplace(std::string(id), nullptr);
  Array ids = Array::OfText(), versions = Array::OfInt8(), created = Array::OfInt8();
  for (const auto& [id, product] : products) {
    ids.Add(id);
    versions.AddInt8(product ? product->version : kUnknownVersion);
    created.AddInt8(product ? product->created_us : 0);
  }
  if (!ids.empty()) {
    HP_ASSIGN_OR_RETURN(
        const Result rows,
        transaction.Execute(
            kChanged,
            Params().Add(std::move(ids)).Add(std::move(versions)).Add(std::move(created))));
    Changed changed;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows.Bool(i, 1)) {
        changed[rows.Text(i, 0)] = ReadProduct(rows, i);
      } else {
        products[std::string(rows.Text(i, 0))] = nullptr;
      }
    }
    if (!changed.empty()) HP_RETURN_IF_ERROR(ReadModels(transaction, changed));
    for (auto& [id, product] : changed) products[std::string(id)] = std::move(product);
  }
  HP_ASSIGN_OR_RETURN(ProductMap::Tenants full, FullTenants(transaction, products));
  products_ = std::make_shared<ProductMap>(std::move(products), std::move(full));
  checked_ = clock_.Now();
  return absl::OkStatus();
}

}  // namespace homeport::registry
