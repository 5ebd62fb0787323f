#include "services/registry/api/model_service.h"

#include <charconv>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/parse.h"
#include "libs/postgres/in_transaction.h"
#include "services/registry/api/convert.h"
#include "services/registry/api/mutation.h"
#include "services/registry/api/page.h"
#include "services/registry/api/typed_convert.h"

namespace homeport::registry {
namespace {

const std::initializer_list<std::string_view> kWriters = {"operator"};
const std::initializer_list<std::string_view> kReaders = {"user", "operator"};
constexpr std::string_view kVersions = "modelVersions";
constexpr std::string_view kCurrent = "current";

absl::Status NameInvalid(std::string_view form) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "NAME_INVALID",
                         fmt::format("the name is not of the form {}", form));
}

// 0 for "current" and for none.
absl::StatusOr<int64_t> ReadNumber(std::string_view id) {
  if (id.empty() || id == kCurrent) return 0;
  int64_t number = 0;
  const auto [last, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || last != id.data() + id.size() || number <= 0) {
    return NameInvalid("tenants/{tenant}/products/{product}/modelVersions/{number}");
  }
  return number;
}

void Fill(const ModelRow& row, product::v1::ModelVersion& out) {
  out.set_name(FormatModelName(row.tenant, row.product, row.version));
  out.set_version(row.version);
  out.set_urn(row.urn);
  out.set_model_json(row.model);
  *out.mutable_create_time() = ToTimestamp(row.created_ms);
}

constexpr size_t kPlaceKeys = 2;  // product and number

// What the version is against the one before it.
absl::Status FillUpgradeOf(postgres::Connection& connection, const ModelRow& row,
                           product::v1::ModelVersion& out) {
  model::Comparison comparison;
  comparison.upgrade = model::Upgrade::kAdditive;
  HP_ASSIGN_OR_RETURN(const ModelRow before, FindPrecedingModel(connection, row));
  if (before.version != 0) {
    HP_ASSIGN_OR_RETURN(const model::Model was, model::ParseModel(before.model));
    HP_ASSIGN_OR_RETURN(const model::Model now, model::ParseModel(row.model));
    comparison = model::Compare(was, now);
  }
  FillUpgrade(comparison, out);
  return absl::OkStatus();
}

}  // namespace

ChildName SplitChild(const std::string& name, std::string_view collection) {
  const std::string middle = fmt::format("/{}/", collection);
  const size_t at = name.rfind(middle);
  if (at == std::string::npos) return {name, ""};
  return {name.substr(0, at), name.substr(at + middle.size())};
}

absl::StatusOr<ProductRow> FindOwnProduct(postgres::Connection& connection,
                                          const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(const rpc::ProductName parsed, rpc::ParseProductName(name, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, parsed.tenant.str()));
  return FindProduct(connection, parsed.tenant, parsed.product);
}

absl::Status NoModel(std::string_view owner) {
  return ErrorWithReason(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                         fmt::format("{} has no model", owner));
}

std::string FormatModelName(std::string_view tenant, std::string_view product, int64_t version) {
  return fmt::format("{}/{}/{}", rpc::FormatProductName(tenant, product), kVersions, version);
}

absl::StatusOr<ModelRow> ModelService::FindNamed(postgres::Connection& connection,
                                                 const auth::Claims& claims,
                                                 const std::string& name) {
  const ChildName parts = SplitChild(name, kVersions);
  HP_ASSIGN_OR_RETURN(int64_t number, ReadNumber(parts.id));
  HP_ASSIGN_OR_RETURN(const ProductRow product, FindOwnProduct(connection, claims, parts.product));
  if (number == 0) number = product.model_version;
  if (number == 0) return NoModel(parts.product);
  return FindModelVersion(connection, TenantId(product.tenant), ProductId(product.id), number);
}

grpc::Status ModelService::CreateModelVersion(grpc::ServerContext* context,
                                              const product::v1::CreateModelVersionRequest* request,
                                              product::v1::ModelVersion* response) {
  return Serve(parts_, "CreateModelVersion", *context, kWriters, [&](const auth::Claims& claims) {
    if (grpc::Status bad = CheckModelJson(request->model_json()); !bad.ok()) return bad;
    UpgradeCheck check(request->allow_breaking() || request->validate_only());
    return check.ToAnswer(Create(claims, *request, check, *response));
  });
}

absl::Status ModelService::Create(const auth::Claims& claims,
                                  const product::v1::CreateModelVersionRequest& request,
                                  UpgradeCheck& check, product::v1::ModelVersion& response) {
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const ProductRow product,
                      FindOwnProduct(*connection, claims, request.parent()));
  if (request.validate_only()) {
    HP_RETURN_IF_ERROR(check.gate()(product.model, request.model_json()));
    FillUpgrade(check.comparison(), response);
    return absl::OkStatus();
  }
  const auto import = [&](postgres::Transaction& transaction) {
    return ImportModel(transaction, ActorOf(claims),
                       {.product = product.id,
                        .tenant = product.tenant,
                        .model = request.model_json(),
                        .keep_current = request.keep_current()},
                       {check.gate(), versions_max_});
  };
  HP_ASSIGN_OR_RETURN(const int64_t version, postgres::InTransaction(*connection, import));
  HP_ASSIGN_OR_RETURN(const ModelRow row, FindModelVersion(*connection, TenantId(product.tenant),
                                                           ProductId(product.id), version));
  Fill(row, response);
  FillUpgrade(check.comparison(), response);
  return absl::OkStatus();
}

grpc::Status ModelService::GetModelVersion(grpc::ServerContext* context,
                                           const product::v1::GetModelVersionRequest* request,
                                           product::v1::ModelVersion* response) {
  return Serve(parts_, "GetModelVersion", *context, kReaders,
               [&](const auth::Claims& claims) -> absl::Status {
                 HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
                 HP_ASSIGN_OR_RETURN(const ModelRow row,
                                     FindNamed(*connection, claims, request->name()));
                 product::v1::ModelVersion version;
                 HP_RETURN_IF_ERROR(FillUpgradeOf(*connection, row, version));
                 Fill(row, version);
                 *response = std::move(version);
                 return absl::OkStatus();
               });
}

grpc::Status ModelService::ListModelVersions(grpc::ServerContext* context,
                                             const product::v1::ListModelVersionsRequest* request,
                                             product::v1::ListModelVersionsResponse* response) {
  return Serve(parts_, "ListModelVersions", *context, kReaders,
               [&](const auth::Claims& claims) { return List(claims, *request, *response); });
}

absl::Status ModelService::List(const auth::Claims& claims,
                                const product::v1::ListModelVersionsRequest& request,
                                product::v1::ListModelVersionsResponse& response) {
  HP_ASSIGN_OR_RETURN(const Page page, ReadPage(claims, request, {}, kPlaceKeys));
  ModelQuery query;
  if (!page.behind.empty()) {
    query.after_product = page.behind[0];
    HP_ASSIGN_OR_RETURN(query.after_version, ReadNumberKey(page.behind[1]));
  }
  query.urn = request.urn();
  query.limit = page.size + 1;
  const ChildName parent = SplitChild(request.parent(), "products");
  const bool of_all = parent.id == "-";
  HP_ASSIGN_OR_RETURN(const TenantId tenant, rpc::ParseTenantName(parent.product, claims.tenant));
  HP_RETURN_IF_ERROR(rpc::CheckTenant(claims, tenant.str()));
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  if (!of_all) {
    HP_ASSIGN_OR_RETURN(const ProductRow product,
                        FindOwnProduct(*connection, claims, request.parent()));
    query.product = product.id;
  }
  HP_ASSIGN_OR_RETURN(const std::vector<ModelRow> rows,
                      registry::ListModelVersions(*connection, tenant, query));
  FillPage(
      page, rows, response, [&](const ModelRow& row) { Fill(row, *response.add_model_versions()); },
      [](const ModelRow& row) {
        return std::vector{row.product, std::to_string(row.version)};
      });
  return absl::OkStatus();
}

grpc::Status ModelService::DeleteModelVersion(grpc::ServerContext* context,
                                              const product::v1::DeleteModelVersionRequest* request,
                                              google::protobuf::Empty* /*response*/) {
  return Serve(parts_, "DeleteModelVersion", *context, kWriters,
               [&](const auth::Claims& claims) { return Delete(claims, request->name()); });
}

absl::Status ModelService::Delete(const auth::Claims& claims, const std::string& name) {
  HP_ASSIGN_OR_RETURN(postgres::Pool::Lease connection, parts_.pool.Acquire());
  HP_ASSIGN_OR_RETURN(const ModelRow row, FindNamed(*connection, claims, name));
  postgres::Transaction transaction(*connection);
  HP_RETURN_IF_ERROR(registry::DeleteModelVersion(transaction, TenantId(row.tenant),
                                                  ProductId(row.product), row.version));
  HP_RETURN_IF_ERROR(Audit(transaction, ActorOf(claims), "DeleteModelVersion",
                           fmt::format("products/{}/modelVersions/{}", row.product, row.version)));
  return transaction.Commit();
}

}  // namespace homeport::registry
