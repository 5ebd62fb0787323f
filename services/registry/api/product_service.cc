#include "services/registry/api/product_service.h"

#include <algorithm>

#include "libs/auth/access_policy.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/resource_name.h"
#include "libs/rpc/topic_rules.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/field_mask.h"
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/core/plain_text.h"
#include "services/registry/core/property_filter.h"
#include "services/registry/store/secrets.h"

namespace homeport::registry {
namespace {

using product::v1::Product;

const std::initializer_list<std::string_view> kScopes = {"operator"};
constexpr size_t kDisplayNameBytesMax = 256;

bool IsFleetKey(std::string_view key) {
  return key.size() >= 16 && key.size() <= 128 &&
         std::all_of(key.begin(), key.end(), [](char c) { return c >= '!' && c <= '~'; });
}

// The error names the rule: "rules[2].filters[0]: …".
grpc::Status CheckPolicy(const product::v1::TopicPolicy& policy) {
  for (int i = 0; i < policy.rules_size(); ++i) {
    if (policy.rules(i).effect() == product::v1::TopicRule::EFFECT_UNSPECIFIED) {
      const std::string rule = fmt::format("rules[{}].effect", i);
      return rpc::MakeError(grpc::StatusCode::INVALID_ARGUMENT, "POLICY_INVALID",
                            rule + ": is required", {{"rule", rule}});
    }
  }
  const absl::Status compiled = auth::AccessPolicy::Compile(rpc::ToRules(policy)).status();
  if (compiled.ok()) return grpc::Status::OK;
  const std::string message = Message(compiled);
  return rpc::MakeError(grpc::StatusCode::INVALID_ARGUMENT, "POLICY_INVALID", message,
                        {{"rule", message.substr(0, message.find(':'))}});
}

grpc::Status CheckProduct(const Product& product) {
  const std::string& model = product.model_json();
  if (grpc::Status bad = CheckModelJson(model); !model.empty() && !bad.ok()) return bad;
  return CheckPolicy(product.topic_policy());
}

absl::Status CheckHistory(const product::v1::HistorySettings& history, int64_t days_max) {
  if (static_cast<size_t>(history.properties_size()) > PropertyFilter::kNamesMax ||
      !std::all_of(history.properties().begin(), history.properties().end(),
                   PropertyFilter::IsName)) {
    return FieldInvalid("product.history.properties", "at most 256 names of 1-256 bytes");
  }
  if (history.retention_days() < 0 || history.retention_days() > days_max) {
    return FieldInvalid("product.history.retention_days",
                        fmt::format("at most {}, which is history-days-kept", days_max));
  }
  return absl::OkStatus();
}

absl::Status CheckFields(const Product& product) {
  if (product.display_name().size() > kDisplayNameBytesMax ||
      !IsPlainText(product.display_name())) {
    return FieldInvalid("product.display_name", "at most 256 bytes");
  }
  return absl::OkStatus();
}

constexpr UpdateField<Product, ProductRow> kFields[] = {
    {"display_name", [](const Product& product) { return !product.display_name().empty(); },
     [](const Product& product, ProductRow& row) { row.display_name = product.display_name(); }},
    {"model_json", [](const Product& product) { return !product.model_json().empty(); },
     [](const Product& product, ProductRow& row) { row.model = product.model_json(); }},
    {"allow_unregistered", [](const Product& product) { return product.allow_unregistered(); },
     [](const Product& product, ProductRow& row) {
       row.allow_unregistered = product.allow_unregistered();
     }},
    {"shadow.skip_unchanged", [](const Product& product) { return product.has_shadow(); },
     [](const Product& product, ProductRow& row) {
       row.skip_unchanged = product.shadow().skip_unchanged();
     }},
    {"is_hub", [](const Product& product) { return product.is_hub(); },
     [](const Product& product, ProductRow& row) { row.is_hub = product.is_hub(); }},
    {"topic_policy", [](const Product& product) { return product.has_topic_policy(); },
     [](const Product& product, ProductRow& row) {
       row.topic_policy = product.topic_policy().SerializeAsString();
     }},
    {"history.properties", [](const Product& product) { return product.has_history(); },
     [](const Product& product, ProductRow& row) {
       const auto& names = product.history().properties();
       row.history_properties = {names.begin(), names.end()};
     }},
    {"history.retention_days", [](const Product& product) { return product.has_history(); },
     [](const Product& product, ProductRow& row) {
       row.history_days = product.history().retention_days();
     }},
};

void Fill(const ProductRow& row, Product& out) {
  out.set_name(rpc::FormatProductName(row.tenant, row.id));
  out.set_display_name(row.display_name);
  out.set_model_json(row.model);
  out.set_model_version(row.model_version);
  out.set_allow_unregistered(row.allow_unregistered);
  out.set_is_hub(row.is_hub);
  out.mutable_shadow()->set_skip_unchanged(row.skip_unchanged);
  if (!row.topic_policy.empty()) out.mutable_topic_policy()->ParseFromString(row.topic_policy);
  for (const std::string& name : row.history_properties) {
    out.mutable_history()->add_properties(name);
  }
  if (row.history_days > 0) {
    out.mutable_history()->set_retention_days(static_cast<int32_t>(row.history_days));
  }
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
  *out.mutable_update_time() = ToTimestamp(row.updated_ms);
  out.set_etag(std::to_string(row.version));
}

}  // namespace

grpc::Status ProductService::CreateProduct(grpc::ServerContext* context,
                                           const product::v1::CreateProductRequest* request,
                                           Product* response) {
  return Serve(parts_, "CreateProduct", *context, kScopes, [&](const auth::Claims& claims) {
    if (grpc::Status bad = CheckProduct(request->product()); !bad.ok()) return bad;
    return ToAnswer(Create(claims, *request, *response));
  });
}

absl::Status ProductService::Create(const auth::Claims& claims,
                                    const product::v1::CreateProductRequest& request,
                                    Product& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  if (!IsValidProductId(request.product_id())) {
    return FieldInvalid("product_id", "1-64 of [a-z0-9._-]");
  }
  if (!request.fleet_key().empty() && !IsFleetKey(request.fleet_key())) {
    return FieldInvalid("fleet_key", "16-128 bytes of printable ASCII");
  }
  HP_RETURN_IF_ERROR(CheckFields(request.product()));
  HP_RETURN_IF_ERROR(CheckHistory(request.product().history(), limits_.history_days_max));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto create = [&](postgres::Transaction& transaction, Product& created) -> absl::Status {
    ProductRow row;
    row.id = request.product_id();
    row.tenant = tenant.str();
    row.fleet_key = request.fleet_key().empty() ? MakeSecret() : request.fleet_key();
    CopyFields(request.product(), kFields, row);
    HP_ASSIGN_OR_RETURN(row, registry::CreateProduct(transaction, ActorOf(claims), row));
    Fill(row, created);
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "CreateProduct", request, response, create);
}

absl::StatusOr<ProductRow> ProductService::Find(const auth::Claims& claims,
                                                const std::string& name) {
  HP_ASSIGN_OR_RETURN(const rpc::ProductName parsed, rpc::ParseProductName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  return FindProduct(*connection, parsed.tenant, parsed.product);
}

grpc::Status ProductService::GetProduct(grpc::ServerContext* context,
                                        const product::v1::GetProductRequest* request,
                                        Product* response) {
  return Serve(parts_, "GetProduct", *context, kScopes,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(const ProductRow row, Find(claims, request->name()));
                 Fill(row, *response);
                 return absl::OkStatus();
               });
}

grpc::Status ProductService::GetFleetKey(grpc::ServerContext* context,
                                         const product::v1::GetFleetKeyRequest* request,
                                         product::v1::FleetKey* response) {
  return Serve(parts_, "GetFleetKey", *context, kScopes,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(const ProductRow row, Find(claims, request->name()));
                 response->set_fleet_key(row.fleet_key);
                 return absl::OkStatus();
               });
}

grpc::Status ProductService::ListProducts(grpc::ServerContext* context,
                                          const product::v1::ListProductsRequest* request,
                                          product::v1::ListProductsResponse* response) {
  return Serve(parts_, "ListProducts", *context, kScopes,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status ProductService::List(const auth::Claims& claims,
                                  const product::v1::ListProductsRequest& request,
                                  product::v1::ListProductsResponse& response) {
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(request.parent(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const std::vector<ProductRow> rows,
                      registry::ListProducts(*connection, tenant, page.after(), page.size + 1));
  FillPage(
      page, rows, response, [&](const ProductRow& row) { Fill(row, *response.add_products()); },
      [](const ProductRow& row) { return std::vector{row.id}; });
  return absl::OkStatus();
}

grpc::Status ProductService::UpdateProduct(grpc::ServerContext* context,
                                           const product::v1::UpdateProductRequest* request,
                                           Product* response) {
  return Serve(parts_, "UpdateProduct", *context, kScopes, [&](const auth::Claims& claims) {
    if (grpc::Status bad = CheckProduct(request->product()); !bad.ok()) return bad;
    UpgradeCheck check(request->allow_breaking());
    return check.ToAnswer(Update(claims, *request, check, *response));
  });
}

absl::Status ProductService::Update(const auth::Claims& claims,
                                    const product::v1::UpdateProductRequest& request,
                                    UpgradeCheck& check, Product& response) {
  const Product& product = request.product();
  HP_ASSIGN_OR_RETURN(const rpc::ProductName name,
                      rpc::ParseProductName(product.name(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  HP_RETURN_IF_ERROR(CheckFields(product));
  HP_RETURN_IF_ERROR(CheckHistory(product.history(), limits_.history_days_max));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(product.etag(), "ETAG_MISMATCH"));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto update = [&](postgres::Transaction& transaction, Product& updated) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const ProductRow present,
                        LockProduct(transaction, name.tenant, name.product, version));
    ProductRow row = present;
    HP_RETURN_IF_ERROR(MergeFields(product, request.update_mask(), kFields, row));
    HP_ASSIGN_OR_RETURN(row, registry::UpdateProduct(transaction, ActorOf(claims), present, row,
                                                     {check.gate(), limits_.versions_max}));
    Fill(row, updated);
    return absl::OkStatus();
  };
  return Change(*connection, ActorOf(claims), "UpdateProduct", request, response, update);
}

grpc::Status ProductService::DeleteProduct(grpc::ServerContext* context,
                                           const product::v1::DeleteProductRequest* request,
                                           google::protobuf::Empty* response) {
  return Serve(parts_, "DeleteProduct", *context, kScopes,
               [&](const auth::Claims& claims) { return Delete(claims, *request, *response); });
}

absl::Status ProductService::Delete(const auth::Claims& claims,
                                    const product::v1::DeleteProductRequest& request,
                                    google::protobuf::Empty& response) {
  HP_ASSIGN_OR_RETURN(const rpc::ProductName name,
                      rpc::ParseProductName(request.name(), claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, name.tenant.str()));
  HP_ASSIGN_OR_RETURN(const int64_t version, ReadEtag(request.etag(), "ETAG_MISMATCH"));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  const auto remove = [&](postgres::Transaction& transaction,
                          google::protobuf::Empty&) -> absl::Status {
    HP_ASSIGN_OR_RETURN(const ProductRow row,
                        LockProduct(transaction, name.tenant, name.product, version));
    return registry::DeleteProduct(transaction, ActorOf(claims), row);
  };
  return Change(*connection, ActorOf(claims), "DeleteProduct", request, response, remove);
}

}  // namespace homeport::registry
