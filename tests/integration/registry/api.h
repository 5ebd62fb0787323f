#pragma once

#include <grpcpp/create_channel.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libs/base/strings.h"
#include "libs/rpc/status_convert.h"
#include "services/registry/app.h"
#include "tests/integration/registry/world.h"
#include "tests/support/token_signer.h"

// The gRPC services of a whole registry process, and a caller with tokens.
namespace homeport::registry::testing {

using homeport::testing::TestClaims;
using homeport::testing::TokenSigner;

class Api {
 public:
  using Configure = std::function<void(RegistryConfig&)>;
  explicit Api(const Configure& configure = [](RegistryConfig&) {})
      : signer_(TokenSigner::Es256("test")) {
    std::ofstream(folder_.path() + "/jwks.json") << homeport::testing::JwksOf({&signer_});
    auto tokens =
        auth::JwksFile::Open(folder_.path() + "/jwks.json", {.issuer = "https://issuer.test"});
    REQUIRE(tokens.ok());
    tokens_ = std::move(tokens).value();
    RegistryConfig config;
    config.grpc_listen = "127.0.0.1:0";
    config.metrics_listen = "127.0.0.1:0";
    config.redis = SharedServers().redis.address();
    config.postgres = world.conninfo();
    config.partitions = kPartitions;
    config.api_answer_ms = 1000;
    config.postgres_answer_ms = 2000;
    configure(config);
    REQUIRE(PrepareDatabase(config).ok());
    app_ = std::make_unique<App>(config, PodId("registry-1"), *tokens_);
    REQUIRE(app_->Start().ok());
    channel_ = grpc::CreateChannel(fmt::format("127.0.0.1:{}", app_->grpc_port()),
                                   grpc::InsecureChannelCredentials());
    products = product::v1::ProductService::NewStub(channel_);
    models = product::v1::ModelService::NewStub(channel_);
    devices = device::v1::DeviceService::NewStub(channel_);
    shadows = shadow::v1::ShadowService::NewStub(channel_);
    tenants = tenant::v1::TenantService::NewStub(channel_);
    audit = audit::v1::AuditService::NewStub(channel_);
    operations = google::longrunning::Operations::NewStub(channel_);
    directory = internal::v1::DirectoryService::NewStub(channel_);
  }
  ~Api() { app_->Stop(); }
  // With the channel open. How long it took.
  int64_t StopMs() {
    const int64_t started_us = MonotonicMicros();
    app_->Stop();
    return (MonotonicMicros() - started_us) / 1000;
  }

  // Puts a token of that scope and tenant into a call; none for an empty scope.
  void Authorize(grpc::ClientContext& context, std::string_view scope,
                 std::string_view tenant = "default") {
    TestClaims claims;
    claims.scope = scope;
    claims.tenant = tenant;
    claims.expires_s = SystemClock().Wall().value / 1000 + 600;
    if (!scope.empty()) {
      context.AddMetadata("authorization", "Bearer " + signer_.Sign(ToJson(claims)));
    }
  }

  // Calls `method` of `stub` with a token of that scope and tenant.
  template <typename Stub, typename Method, typename Request, typename Response>
  grpc::Status Call(std::string_view scope, Stub& stub, Method method, const Request& request,
                    Response* response, std::string_view tenant = "default") {
    grpc::ClientContext context;
    Authorize(context, scope, tenant);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return (stub.*method)(&context, request, response);
  }

  [[nodiscard]] const metrics::Registry& metrics() const { return app_->metrics(); }
  // For further stubs.
  [[nodiscard]] const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  World world;
  std::unique_ptr<product::v1::ProductService::Stub> products;
  std::unique_ptr<product::v1::ModelService::Stub> models;
  std::unique_ptr<device::v1::DeviceService::Stub> devices;
  std::unique_ptr<shadow::v1::ShadowService::Stub> shadows;
  std::unique_ptr<tenant::v1::TenantService::Stub> tenants;
  std::unique_ptr<audit::v1::AuditService::Stub> audit;
  std::unique_ptr<google::longrunning::Operations::Stub> operations;
  std::unique_ptr<internal::v1::DirectoryService::Stub> directory;

 private:
  homeport::testing::TempFolder folder_;
  TokenSigner signer_;
  std::unique_ptr<auth::JwksFile> tokens_;
  std::unique_ptr<App> app_;
  std::shared_ptr<grpc::Channel> channel_;
};

inline std::string ReasonFor(const grpc::Status& status) { return rpc::DetailsOf(status).reason; }

using Products = product::v1::ProductService::Stub;
using Models = product::v1::ModelService::Stub;
using Devices = device::v1::DeviceService::Stub;
using Shadows = shadow::v1::ShadowService::Stub;
using Tenants = tenant::v1::TenantService::Stub;
using Audits = audit::v1::AuditService::Stub;
using Operations = google::longrunning::Operations::Stub;
using Directory = internal::v1::DirectoryService::Stub;

}  // namespace homeport::registry::testing
