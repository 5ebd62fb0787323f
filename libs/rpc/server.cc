#include "libs/rpc/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "libs/auth/certificate.h"
#include "libs/auth/openssl_types.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/call_count.h"
#include "libs/rpc/read_file.h"

namespace homeport::rpc {
namespace {

constexpr int kMessageBytesMax = 4 << 20;
constexpr int kClientPingMsMin = 10'000;
constexpr int kServerPingMs = 60'000;
constexpr int kServerPingTimeoutMs = 20'000;
constexpr int kConnectionAgeMsMax = 30 * 60'000;
constexpr int kConnectionAgeGraceMs = 30'000;
constexpr int64_t kDestructorShutdownMs = 1000;
constexpr int64_t kHangUpMs = 50;
constexpr unsigned int kCertificateCheckS = 1;

// Process-wide switches of the library; they act on servers built afterwards.
void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

// What the library would notice with the first client only.
absl::Status CheckPair(const ServerOptions& options) {
  HP_ASSIGN_OR_RETURN(const std::string cert, ReadFile(options.tls_cert));
  HP_ASSIGN_OR_RETURN(const std::string pem, ReadFile(options.tls_key));
  HP_ASSIGN_OR_RETURN(const auth::Certificate certificate, auth::Certificate::FromPem(cert));
  const auth::Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auth::Pkey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, auth::NoPassphrase, nullptr));
  if (key != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1) {
    return absl::OkStatus();
  }
  ERR_clear_error();
  return absl::InvalidArgumentError(fmt::format(
      "{} is not the private key of the certificate in {}", options.tls_key, options.tls_cert));
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(const ServerOptions& options) {
  if (options.tls_cert.empty() && options.tls_key.empty()) {
    return grpc::InsecureServerCredentials();
  }
  HP_RETURN_IF_ERROR(CheckPair(options));
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.tls_key, options.tls_cert, kCertificateCheckS));
  tls.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsServerCredentials(tls);
}

void SetKeepAlive(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kClientPingMsMin);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kServerPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kServerPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMsMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kConnectionAgeGraceMs);
}

}  // namespace

struct Server::Impl {
  CallCount calls;  // outlives the server
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  bool stopped = false;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { Shutdown(kDestructorShutdownMs); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services) {
  EnablePlugins();
  HP_ASSIGN_OR_RETURN(const auto credentials, Credentials(options));
  auto impl = std::make_unique<Impl>();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, credentials, &impl->port);
  // Two processes on one address is a mistake to be told of, not to be balanced over.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  SetKeepAlive(builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakeCallCounter(impl->calls));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  for (grpc::Service* service : services) builder.RegisterService(service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::UnavailableError(fmt::format(
        "gRPC server cannot listen on {} (address in use, or certificate and key unusable)",
        options.listen));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const { return impl_->port; }

void Server::SetNotServing() { impl_->server->GetHealthCheckService()->SetServingStatus(false); }

void Server::Shutdown(int64_t deadline_ms) {
  if (std::exchange(impl_->stopped, true)) return;
  SetNotServing();
  absl::Notification closed;
  std::thread shutdown([&] {
    impl_->server->Shutdown(std::chrono::system_clock::now() +
                            std::chrono::milliseconds(deadline_ms));
    closed.Notify();
  });
  // A client that is not in a call does not read its farewell, and would keep the server waiting
  // until the deadline. Those that do read it get a moment to hang up by themselves.
  if (impl_->calls.AwaitNone(deadline_ms) &&
      !closed.WaitForNotificationWithTimeout(absl::Milliseconds(kHangUpMs))) {
    grpc_server_cancel_all_calls(impl_->server->c_server());
  }
  shutdown.join();
  impl_->server->Wait();
}

}  // namespace homeport::rpc
