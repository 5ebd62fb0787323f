#include "tests/bench/reads/load.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/synchronization/blocking_counter.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/read_file.h"
#include "libs/rpc/status_convert.h"

namespace homeport::bench {
namespace {

constexpr int64_t kCallMsMax = 10'000;

absl::StatusOr<std::vector<std::string>> ReadRequests(const std::string& path) {
  HP_ASSIGN_OR_RETURN(const std::string text, rpc::ReadFile(path));
  std::istringstream lines(text);
  std::vector<std::string> requests;
  for (std::string line; std::getline(lines, line);) {
    std::string& bytes = requests.emplace_back();
    if (!absl::Base64Unescape(line, &bytes)) {
      return absl::InvalidArgumentError(fmt::format("{}: a line is not base64", path));
    }
  }
  return requests;
}

// A connection of its own: gRPC would share one among channels that look the same.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const LoadOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.ca.empty()) {
    return grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
  }
  grpc::SslCredentialsOptions tls;
  HP_ASSIGN_OR_RETURN(tls.pem_root_certs, rpc::ReadFile(options.ca));
  return grpc::CreateCustomChannel(options.target, grpc::SslCredentials(tls), arguments);
}

// What all callers share.
struct Work {
  const LoadOptions& options;
  rpc::TokenFile token;
  std::vector<std::string> requests;
  int64_t end_us = 0;
  std::atomic<size_t> next{0};
  absl::BlockingCounter& running;
};

// One call after the other, until the time is over or one fails.
class Caller {
 public:
  Caller(Work& work, const std::shared_ptr<grpc::Channel>& channel) : work_(work), stub_(channel) {}

  void Call() {
    context_ = std::make_unique<grpc::ClientContext>();
    const absl::Status prepared = rpc::PrepareCall(*context_, work_.token, kCallMsMax);
    if (!prepared.ok()) return End(prepared);
    const size_t index = work_.next.fetch_add(1, std::memory_order_relaxed);
    const grpc::Slice bytes(work_.requests[index % work_.requests.size()]);
    request_ = grpc::ByteBuffer(&bytes, 1);
    response_.Clear();
    began_us_ = MonotonicMicros();
    stub_.UnaryCall(context_.get(), work_.options.method, {}, &request_, &response_,
                    [this](const grpc::Status& status) { OnAnswer(status); });
  }

  [[nodiscard]] const absl::Status& status() const { return status_; }
  [[nodiscard]] const std::vector<int64_t>& micros() const { return micros_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  void OnAnswer(const grpc::Status& status) {
    const int64_t now_us = MonotonicMicros();
    if (!status.ok()) return End(rpc::FromGrpc(status));
    micros_.push_back(now_us - began_us_);
    bytes_ += response_.Length();
    if (now_us >= work_.end_us) return End(absl::OkStatus());
    Call();
  }
  void End(const absl::Status& status) {
    status_ = status;
    work_.running.DecrementCount();
  }

  Work& work_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  grpc::ByteBuffer request_, response_;
  int64_t began_us_ = 0;
  std::vector<int64_t> micros_;
  size_t bytes_ = 0;
  absl::Status status_;
};

absl::Status Report(const std::vector<std::unique_ptr<Caller>>& callers, double seconds) {
  std::vector<int64_t> all;
  size_t bytes = 0;
  for (const std::unique_ptr<Caller>& caller : callers) {
    HP_RETURN_IF_ERROR(caller->status());
    all.insert(all.end(), caller->micros().begin(), caller->micros().end());
    bytes += caller->bytes();
  }
  std::sort(all.begin(), all.end());
  fmt::print(R"({{"calls":{},"per_second":{:.1f},"p50_us":{},"p99_us":{},"answer_bytes":{}}})"
             "\n",
             all.size(), static_cast<double>(all.size()) / seconds, all[all.size() / 2],
             all[all.size() * 99 / 100], bytes / all.size());
  return absl::OkStatus();
}

}  // namespace

absl::Status RunLoad(const LoadOptions& options) {
  absl::BlockingCounter running(static_cast<int>(options.in_flight));
  HP_ASSIGN_OR_RETURN(std::vector<std::string> requests, ReadRequests(options.requests));
  if (requests.empty()) return absl::InvalidArgumentError("no requests");
  const int64_t begun_us = MonotonicMicros();
  Work work{options,
            rpc::TokenFile(options.token),
            std::move(requests),
            begun_us + options.seconds * 1'000'000,
            {0},
            running};
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (uint32_t i = 0; i < options.channels; ++i) {
    HP_ASSIGN_OR_RETURN(channels.emplace_back(), MakeChannel(options));
  }
  std::vector<std::unique_ptr<Caller>> callers;
  for (uint32_t i = 0; i < options.in_flight; ++i) {
    callers.push_back(std::make_unique<Caller>(work, channels[i % channels.size()]));
  }
  for (const std::unique_ptr<Caller>& caller : callers) caller->Call();
  running.Wait();
  return Report(callers, static_cast<double>(MonotonicMicros() - begun_us) / 1e6);
}

}  // namespace homeport::bench
