#include "libs/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/stat.h>

#include <chrono>

#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/read_file.h"

namespace homeport::rpc {
namespace {

constexpr int kPingMs = 30'000;
constexpr int kPingTimeoutMs = 10'000;
constexpr int kReconnectMsMin = 200;
constexpr int kReconnectMsMax = 5'000;
constexpr int kMessageBytesMax = 4 << 20;
constexpr int64_t kTokenCheckEveryUs = 1'000'000;

bool IsIp(std::string_view host) {
  return host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The host of the first "host:port".
std::string_view FirstHost(std::string_view target) {
  const std::string_view first = target.substr(0, target.find(','));
  return first.substr(0, first.rfind(':'));
}

// The resolver's form: addresses are listed as they are, a name is resolved by DNS.
absl::StatusOr<std::string> TargetUri(std::string_view target) {
  if (target.empty()) return absl::InvalidArgumentError("no address to connect to");
  bool all_ip = true;
  for (std::string_view rest = target; !rest.empty();) {
    const size_t comma = rest.find(',');
    all_ip = all_ip && IsIp(FirstHost(rest));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  if (all_ip) return fmt::format("ipv4:{}", target);
  if (target.find(',') == std::string_view::npos) return fmt::format("dns:///{}", target);
  return absl::InvalidArgumentError(
      fmt::format("\"{}\": several addresses must be ip:port each", target));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const std::string& ca) {
  if (ca.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  HP_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(ca));
  return grpc::SslCredentials(tls);
}

int64_t StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return -1;
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  return info.st_mtim.tv_sec * kNanosPerSecond + info.st_mtim.tv_nsec;
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

absl::Status CheckTarget(std::string_view target) { return TargetUri(target).status(); }

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options) {
  HP_ASSIGN_OR_RETURN(const std::string uri, TargetUri(options.target));
  HP_ASSIGN_OR_RETURN(const auto credentials, Credentials(options.ca));
  grpc::ChannelArguments arguments;
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  const std::string name =
      options.server_name.empty() ? std::string(FirstHost(options.target)) : options.server_name;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, name);
  return grpc::CreateCustomChannel(uri, credentials, arguments);
}

absl::StatusOr<std::string> TokenFile::Token() {
  if (path_.empty()) return std::string();
  absl::MutexLock lock(&mutex_);
  const int64_t now_us = MonotonicMicros();
  if (!token_.empty() && now_us - checked_us_ < kTokenCheckEveryUs) return token_;
  checked_us_ = now_us;
  const int64_t stamp = StampOf(path_);
  if (!token_.empty() && stamp == stamp_) return token_;
  absl::StatusOr<std::string> text = ReadFile(path_);
  if (text.ok()) {
    token_ = Trimmed(*std::move(text));
    stamp_ = stamp;
  } else if (token_.empty()) {
    return text.status();
  }
  return token_;
}

absl::Status PrepareCall(grpc::ClientContext& context, TokenFile& token, int64_t timeout_ms) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  HP_ASSIGN_OR_RETURN(const std::string text, token.Token());
  if (!text.empty()) context.AddMetadata("authorization", fmt::format("Bearer {}", text));
  return absl::OkStatus();
}

}  // namespace homeport::rpc
