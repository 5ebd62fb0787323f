// A real server and channel on loopback: authentication, health, TLS, shutdown.
#include <grpcpp/generic/generic_stub.h>

#include <catch2/catch.hpp>
#include <thread>

#include "absl/synchronization/notification.h"
#include "homeport/internal/v1/directory.grpc.pb.h"
#include "libs/base/strings.h"
#include "libs/rpc/call_auth.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status_convert.h"
#include "tests/support/token_signer.h"
#include "tests/unit/rpc/tls_files.h"

// Resolving a name leaves a few bytes of c-ares behind at exit.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so"; }

namespace homeport::rpc {
namespace {

namespace pb = ::homeport::internal::v1;
using testing::JwksOf;
using testing::TempDir;
using testing::TestClaims;
using testing::ToJson;
using testing::TokenSigner;

constexpr int64_t kCallMs = 5000;

// Answers with the caller's tenant.
class Directory : public pb::DirectoryService::Service {
 public:
  explicit Directory(const CallAuth& auth) : auth_(auth) {}

  grpc::Status GetProductConfig(grpc::ServerContext* context,
                                const pb::GetProductConfigRequest* request,
                                pb::ProductConfig* response) override {
    const auto claims = auth_.Authorize(*context, {"service", "operator"});
    if (!claims.ok()) return ToGrpc(claims.status());
    if (request->product() == "foreign") return ToGrpc(CheckTenant(*claims, "other"));
    response->set_tenant(claims->tenant);
    return grpc::Status::OK;
  }

 private:
  const CallAuth& auth_;
};

struct Fixture {
  TempDir dir;
  TokenSigner signer = TokenSigner::Es256("k");
  std::unique_ptr<auth::JwksFile> tokens =
      *auth::JwksFile::Open(dir.Write("jwks.json", JwksOf({&signer})), {"https://issuer.test", 60});
  CallAuth auth{*tokens, SystemClock()};
  Directory directory{auth};
  std::string target;

  std::unique_ptr<Server> Start(ServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    auto server = Server::Start(options, {&directory});
    REQUIRE(server.ok());
    target = fmt::format("127.0.0.1:{}", (*server)->port());
    return *std::move(server);
  }

  std::string Token(std::string_view scope, int64_t expires_in_s = 600) const {
    TestClaims claims;
    claims.scope = scope;
    claims.expires_s = SystemClock().Wall().value / 1000 + expires_in_s;
    return signer.Sign(ToJson(claims));
  }

  grpc::Status Call(const ChannelOptions& options, const std::string& authorization,
                    const std::string& product = "p") const {
    const auto channel = MakeChannel(options);
    REQUIRE(channel.ok());
    const auto stub = pb::DirectoryService::NewStub(*channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(kCallMs));
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
    pb::GetProductConfigRequest request;
    request.set_product(product);
    pb::ProductConfig response;
    const grpc::Status status = stub->GetProductConfig(&context, request, &response);
    if (status.ok()) CHECK(response.tenant() == "default");
    return status;
  }
};

TEST_CASE("calls are authenticated, each refusal with its reason") {
  Fixture fixture;
  const auto server = fixture.Start();
  struct Row {
    std::string authorization;
    grpc::StatusCode code;
    const char* reason;
  };
  const Row rows[] = {
      {"", grpc::StatusCode::UNAUTHENTICATED, "TOKEN_MISSING"},
      {"Basic YTpi", grpc::StatusCode::UNAUTHENTICATED, "TOKEN_MISSING"},
      {"Bearer ", grpc::StatusCode::UNAUTHENTICATED, "TOKEN_MISSING"},
      {"Bearer nonsense", grpc::StatusCode::UNAUTHENTICATED, "TOKEN_INVALID"},
      {"Bearer " + fixture.Token("service", -3600), grpc::StatusCode::UNAUTHENTICATED,
       "TOKEN_EXPIRED"},
      {"Bearer " + fixture.Token("user"), grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED"},
      {"Bearer " + fixture.Token("user service"), grpc::StatusCode::OK, ""},
      {"bearer " + fixture.Token("operator"), grpc::StatusCode::OK, ""},
  };
  for (const Row& row : rows) {
    INFO(row.authorization);
    const grpc::Status status = fixture.Call({.target = fixture.target}, row.authorization);
    INFO(status.error_message());
    CHECK(status.error_code() == row.code);
    CHECK(DetailsOf(status).reason == row.reason);
  }
}

TEST_CASE("another tenant's resource is refused without telling whether it exists") {
  Fixture fixture;
  const auto server = fixture.Start();
  const grpc::Status status =
      fixture.Call({.target = fixture.target}, "Bearer " + fixture.Token("service"), "foreign");
  CHECK(status.error_code() == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(status.error_message().find("or it might not exist") != std::string::npos);
}

TEST_CASE("TLS to one address and to several") {
  Fixture fixture;
  const testing::TlsPems pems = testing::MakeSelfSigned();
  const std::string cert = fixture.dir.Write("server.pem", pems.certificate);
  const auto server =
      fixture.Start({.tls_cert = cert, .tls_key = fixture.dir.Write("server.key", pems.key)});
  const std::string bearer = "Bearer " + fixture.Token("service");
  const std::string localhost = fmt::format("localhost:{}", server->port());
  const std::string twice = fixture.target + "," + fixture.target;
  CHECK(fixture.Call({.target = fixture.target, .ca = cert}, bearer).ok());
  CHECK(fixture.Call({.target = localhost, .ca = cert}, bearer).ok());
  CHECK(fixture.Call({.target = twice, .ca = cert}, bearer).ok());
  CHECK(fixture.Call({.target = twice, .ca = cert, .server_name = "localhost"}, bearer).ok());
  const grpc::Status other =
      fixture.Call({.target = fixture.target, .ca = cert, .server_name = "other.test"}, bearer);
  CHECK(other.error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("a certificate is replaced by replacing its files") {
  Fixture fixture;
  const testing::TlsPems first = testing::MakeSelfSigned();
  const testing::TlsPems second = testing::MakeSelfSigned();
  const std::string cert = fixture.dir.Write("server.pem", first.certificate);
  const std::string key = fixture.dir.Write("server.key", first.key);
  const std::string first_ca = fixture.dir.Write("first-ca.pem", first.certificate);
  const std::string second_ca = fixture.dir.Write("second-ca.pem", second.certificate);
  const auto server = fixture.Start({.tls_cert = cert, .tls_key = key});
  const std::string bearer = "Bearer " + fixture.Token("service");
  CHECK(fixture.Call({.target = fixture.target, .ca = first_ca}, bearer).ok());
  const auto comes_to_serve = [&](const std::string& ca) {
    const MonoMs deadline = SystemClock().Now() + 20'000;
    while (!fixture.Call({.target = fixture.target, .ca = ca}, bearer).ok()) {
      if (SystemClock().Now() > deadline) return false;
    }
    return true;
  };
  fixture.dir.Write("server.pem", second.certificate);
  fixture.dir.Write("server.key", second.key);
  CHECK(comes_to_serve(second_ca));
  CHECK_FALSE(fixture.Call({.target = fixture.target, .ca = first_ca}, bearer).ok());
  // A key without its certificate keeps nothing from being replaced again.
  fixture.dir.Write("server.key", first.key);
  const MonoMs looked_at = SystemClock().Now() + 2'500;
  while (SystemClock().Now() < looked_at) {
    static_cast<void>(fixture.Call({.target = fixture.target, .ca = second_ca}, bearer));
  }
  fixture.dir.Write("server.pem", first.certificate);
  CHECK(comes_to_serve(first_ca));
}

TEST_CASE("a certificate and the key of another are an error") {
  Fixture fixture;
  const std::string cert = fixture.dir.Write("a.pem", testing::MakeSelfSigned().certificate);
  const std::string key = fixture.dir.Write("b.key", testing::MakeSelfSigned().key);
  const auto server =
      Server::Start({.listen = "127.0.0.1:0", .tls_cert = cert, .tls_key = key}, {});
  REQUIRE_FALSE(server.ok());
  CHECK(Message(server.status()).find(key) != std::string::npos);
}

TEST_CASE("unusable certificates, addresses and targets are errors") {
  Fixture fixture;
  CHECK_FALSE(Server::Start({.listen = "127.0.0.1:0", .tls_cert = "/no/x.pem"}, {}).ok());
  const auto server = fixture.Start();
  const auto second = Server::Start({.listen = fixture.target}, {});
  REQUIRE_FALSE(second.ok());
  CHECK(Message(second.status()).find(fixture.target) != std::string::npos);
  CHECK_FALSE(MakeChannel({}).ok());
  CHECK_FALSE(MakeChannel({.target = "a:1,b:2"}).ok());
  CHECK_FALSE(MakeChannel({.target = "a:1", .ca = "/no/ca.pem"}).ok());
}

// grpc.health.v1: the request {service = 1} is empty, the response is {status = 1}.
std::string CheckHealth(const std::string& target) {
  const auto channel = MakeChannel({.target = target});
  REQUIRE(channel.ok());
  grpc::GenericStub stub(*channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(kCallMs));
  grpc::CompletionQueue queue;
  const grpc::Slice empty("");
  const grpc::ByteBuffer request(&empty, 1);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  REQUIRE(queue.Next(&tag, &ok));
  REQUIRE(status.ok());
  std::vector<grpc::Slice> slices;
  REQUIRE(response.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

TEST_CASE("health answers SERVING, and NOT_SERVING once a drain begins") {
  Fixture fixture;
  const auto server = fixture.Start();
  CHECK(CheckHealth(fixture.target) == std::string("\x08\x01", 2));
  server->SetNotServing();
  CHECK(CheckHealth(fixture.target) == std::string("\x08\x02", 2));
  CHECK(fixture.Call({.target = fixture.target}, "Bearer " + fixture.Token("service")).ok());
  server->Shutdown(1000);
  server->Shutdown(1000);
}

TEST_CASE("a shutdown does not wait for an idle channel") {
  Fixture fixture;
  const auto server = fixture.Start();
  const auto channel = MakeChannel({.target = fixture.target});
  REQUIRE(channel.ok());
  const auto stub = pb::DirectoryService::NewStub(*channel);
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + fixture.Token("service"));
  pb::ProductConfig response;
  REQUIRE(stub->GetProductConfig(&context, {}, &response).ok());
  const int64_t started_us = MonotonicMicros();
  server->Shutdown(60'000);
  CHECK(MonotonicMicros() - started_us < 20'000'000);
}

// Answers when told to.
class Patient : public pb::DirectoryService::Service {
 public:
  grpc::Status GetProductConfig(grpc::ServerContext*, const pb::GetProductConfigRequest*,
                                pb::ProductConfig*) override {
    begun.Notify();
    end.WaitForNotification();
    return grpc::Status::OK;
  }
  absl::Notification begun, end;
};

TEST_CASE("a shutdown lets the calls under way end") {
  Patient service;
  auto server = Server::Start({.listen = "127.0.0.1:0"}, {&service});
  REQUIRE(server.ok());
  const auto channel = MakeChannel({.target = fmt::format("127.0.0.1:{}", (*server)->port())});
  REQUIRE(channel.ok());
  const auto stub = pb::DirectoryService::NewStub(*channel);
  grpc::Status first, late;
  std::thread caller([&] {
    grpc::ClientContext context;
    pb::ProductConfig response;
    first = stub->GetProductConfig(&context, {}, &response);
  });
  service.begun.WaitForNotification();
  std::thread stopper([&] { (*server)->Shutdown(60'000); });
  do {  // until the server takes no calls any more
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
    const auto fresh = MakeChannel({.target = fmt::format("127.0.0.1:{}", (*server)->port())});
    REQUIRE(fresh.ok());
    pb::DeviceConfig device;
    late = pb::DirectoryService::NewStub(*fresh)->GetDeviceConfig(&context, {}, &device);
  } while (late.error_code() == grpc::StatusCode::UNIMPLEMENTED);
  service.end.Notify();
  caller.join();
  stopper.join();
  CHECK(first.ok());
}

TEST_CASE("a client's token comes from its file") {
  const TempDir dir;
  TokenFile token(dir.Write("token", "abc.def.ghi\n"));
  CHECK(*token.Token() == "abc.def.ghi");
  grpc::ClientContext context;
  CHECK(PrepareCall(context, token, kCallMs).ok());
  TokenFile none("");
  CHECK(none.Token()->empty());
  TokenFile missing("/no/token");
  CHECK_FALSE(missing.Token().ok());
}

}  // namespace
}  // namespace homeport::rpc
