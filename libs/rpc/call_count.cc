#include "libs/rpc/call_count.h"

#include <string_view>

#include "absl/time/time.h"

namespace homeport::rpc {
namespace {

class Counted final : public grpc::experimental::Interceptor {
 public:
  explicit Counted(CallCount& count) : count_(count) { count_.Begin(); }
  ~Counted() override { count_.End(); }
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }

 private:
  CallCount& count_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(CallCount& count) : count_(count) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    const std::string_view method = info->method();
    if (method.starts_with("/grpc.")) return nullptr;
    return new Counted(count_);  // gRPC takes it over
  }

 private:
  CallCount& count_;
};

}  // namespace

void CallCount::Begin() {
  absl::MutexLock lock(&mutex_);
  ++calls_;
}

void CallCount::End() {
  absl::MutexLock lock(&mutex_);
  --calls_;
}

bool CallCount::AwaitNone(int64_t ms_max) const {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(
                                     +[](const int64_t* calls) { return *calls == 0; }, &calls_),
                                 absl::Milliseconds(ms_max));
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallCounter(
    CallCount& count) {
  return std::make_unique<Factory>(count);
}

}  // namespace homeport::rpc
