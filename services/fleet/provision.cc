#include "services/fleet/provision.h"

#include <fmt/format.h>

#include "homeport/product/v1/product.grpc.pb.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status_convert.h"

namespace homeport::fleet {
namespace {

namespace product = homeport::product::v1;

constexpr int64_t kCallMs = 5000;

absl::Status CreateProduct(const FleetConfig& config, const KindSpec& spec,
                           product::ProductService::Stub& service, rpc::TokenFile& token) {
  product::CreateProductRequest request;
  request.set_parent(fmt::format("tenants/{}", config.tenant));
  request.set_product_id(std::string(spec.product));
  request.mutable_product()->set_display_name(std::string(spec.title));
  request.mutable_product()->set_model_json(std::string(spec.model_json));
  request.mutable_product()->set_allow_unregistered(true);
  request.mutable_product()->set_is_hub(!spec.children.empty());
  grpc::ClientContext context;
  HP_RETURN_IF_ERROR(rpc::PrepareCall(context, token, kCallMs));
  product::Product created;
  const grpc::Status status = service.CreateProduct(&context, request, &created);
  if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) return absl::OkStatus();
  if (status.ok()) log::Info("product_created", {{"product", spec.product}});
  return rpc::FromGrpc(status);
}

absl::StatusOr<std::string> GetFleetKey(const FleetConfig& config, const KindSpec& spec,
                                        product::ProductService::Stub& service,
                                        rpc::TokenFile& token) {
  product::GetFleetKeyRequest request;
  request.set_name(fmt::format("tenants/{}/products/{}", config.tenant, spec.product));
  grpc::ClientContext context;
  HP_RETURN_IF_ERROR(rpc::PrepareCall(context, token, kCallMs));
  product::FleetKey key;
  HP_RETURN_IF_ERROR(rpc::FromGrpc(service.GetFleetKey(&context, request, &key)));
  return key.fleet_key();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> EnsureProducts(
    const FleetConfig& config, const std::vector<std::unique_ptr<Kind>>& kinds) {
  rpc::ChannelOptions options;
  options.target = config.registry_grpc;
  if (!config.registry_insecure) {
    options.ca = config.registry_ca.empty() ? config.ca : config.registry_ca;
  }
  HP_ASSIGN_OR_RETURN(const auto channel, rpc::MakeChannel(options));
  const auto service = product::ProductService::NewStub(channel);
  rpc::TokenFile token(config.token_file);
  std::vector<std::string> keys;
  for (const auto& kind : kinds) {
    HP_RETURN_IF_ERROR(CreateProduct(config, kind->spec, *service, token));
    HP_ASSIGN_OR_RETURN(std::string key, GetFleetKey(config, kind->spec, *service, token));
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace homeport::fleet
