#include "services/gateway/directory.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/model/parse.h"
#include "libs/rpc/status_convert.h"

namespace homeport::gateway {
namespace {

using internal::v1::DeviceConfig;
using internal::v1::DeviceState;
using internal::v1::GetDeviceConfigRequest;
using internal::v1::GetProductConfigRequest;
using internal::v1::GetStateRequest;
using internal::v1::ProductConfig;

// Everything one asynchronous call needs until its callback, which deletes it.
template <typename Request, typename Response>
struct Call {
  grpc::ClientContext context;
  Request request;
  Response response;
};

absl::StatusOr<Directory::Product> ToProduct(const ProductConfig& config) {
  auto info = std::make_shared<ProductInfo>();
  info->product = config.product();
  info->tenant = config.tenant();
  info->fleet_key = config.fleet_key();
  info->allow_unregistered = config.allow_unregistered();
  if (!config.model_json().empty()) {
    HP_ASSIGN_OR_RETURN(info->model, model::ParseModel(std::string_view(config.model_json())));
  }
  return Directory::Product(std::move(info));
}

DeviceInfo ToDevice(const DeviceConfig& config) {
  return {config.product(), config.tenant(), config.secret_sha256(), config.disabled()};
}

}  // namespace

Directory::Directory(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token,
                     const Clock& clock, Options options)
    : stub_(internal::v1::DirectoryService::NewStub(std::move(channel))),
      token_(token),
      clock_(clock),
      options_(options),
      random_(std::random_device{}()) {}

template <typename T>
std::optional<absl::StatusOr<T>> Directory::Cached(Cache<T>& cache, std::string_view name) {
  absl::MutexLock lock(&mutex_);
  const auto found = cache.find(name);
  if (found == cache.end() || found->second.expires <= clock_.Now()) return std::nullopt;
  return found->second.value;
}

std::optional<absl::StatusOr<Directory::Product>> Directory::CachedProduct(
    std::string_view product) {
  return Cached(products_, product);
}

std::optional<absl::StatusOr<DeviceInfo>> Directory::CachedDevice(std::string_view device) {
  return Cached(devices_, device);
}

template <typename T>
bool Directory::Enqueue(Cache<T>& cache, const std::string& name,
                        absl::AnyInvocable<void(absl::StatusOr<T>)> done) {
  absl::MutexLock lock(&mutex_);
  if (cache.size() >= options_.entries_max && !cache.contains(name)) {
    // Forget some idle entry: any will do, an exact order would cost memory for each.
    for (auto entry = cache.begin(); entry != cache.end(); ++entry) {
      if (!entry->second.waiting.empty()) continue;
      cache.erase(entry);
      break;
    }
  }
  Entry<T>& entry = cache[name];
  entry.waiting.push_back(std::move(done));
  return entry.waiting.size() == 1;
}

template <typename T>
void Directory::Store(Cache<T>& cache, const std::string& name, absl::StatusOr<T> value) {
  std::vector<absl::AnyInvocable<void(absl::StatusOr<T>)>> waiting;
  {
    absl::MutexLock lock(&mutex_);
    Entry<T>& entry = cache[name];
    waiting.swap(entry.waiting);
    const bool known = value.ok() || absl::IsNotFound(value.status());
    if (known) {
      entry.value = std::move(value);
      entry.expires =
          clock_.Now() + Jittered(entry.value.ok() ? options_.ttl_ms : options_.not_found_ttl_ms);
    } else if (entry.value.ok()) {
      log::Refusal(
          "directory_stale",
          {{"name", name}, {"reason", value.status()}, {"next", "the cached answer is used"}});
      entry.expires = clock_.Now() + Jittered(options_.not_found_ttl_ms);
    } else {
      entry.value = std::move(value);
    }
    value = entry.value;
  }
  for (auto& done : waiting) done(value);
}

int64_t Directory::Jittered(int64_t ttl_ms) {
  const int64_t tenth = std::max<int64_t>(ttl_ms / 10, 1);
  return ttl_ms - tenth + static_cast<int64_t>(random_()) % (2 * tenth);
}

void Directory::CallBegins() {
  absl::MutexLock lock(&mutex_);
  ++calls_;
}

void Directory::CallEnds() {
  absl::MutexLock lock(&mutex_);
  --calls_;
}

void Directory::Finish() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* calls) { return *calls == 0; }, &calls_));
}

void Directory::FetchProduct(std::string product, OnProduct done) {
  if (!Enqueue(products_, product, std::move(done))) return;
  auto* call = new Call<GetProductConfigRequest, ProductConfig>;
  call->request.set_product(product);
  if (absl::Status ready = rpc::PrepareCall(call->context, token_, options_.timeout_ms);
      !ready.ok()) {
    delete call;
    return Store<Product>(products_, product, absl::UnavailableError(Message(ready)));
  }
  CallBegins();
  stub_->async()->GetProductConfig(
      &call->context, &call->request, &call->response,
      [this, call, product = std::move(product)](const grpc::Status& status) {
        Store<Product>(products_, product,
                       status.ok() ? ToProduct(call->response) : rpc::FromGrpc(status));
        delete call;
        CallEnds();
      });
}

void Directory::FetchDevice(std::string device, OnDevice done) {
  if (!Enqueue(devices_, device, std::move(done))) return;
  auto* call = new Call<GetDeviceConfigRequest, DeviceConfig>;
  call->request.set_device(device);
  if (absl::Status ready = rpc::PrepareCall(call->context, token_, options_.timeout_ms);
      !ready.ok()) {
    delete call;
    return Store<DeviceInfo>(devices_, device, absl::UnavailableError(Message(ready)));
  }
  CallBegins();
  stub_->async()->GetDeviceConfig(
      &call->context, &call->request, &call->response,
      [this, call, device = std::move(device)](const grpc::Status& status) {
        Store<DeviceInfo>(devices_, device,
                          status.ok() ? absl::StatusOr<DeviceInfo>(ToDevice(call->response))
                                      : rpc::FromGrpc(status));
        delete call;
        CallEnds();
      });
}

void Directory::FetchState(std::string device, OnState done) {
  auto* call = new Call<GetStateRequest, DeviceState>;
  call->request.set_device(std::move(device));
  if (absl::Status ready = rpc::PrepareCall(call->context, token_, options_.timeout_ms);
      !ready.ok()) {
    delete call;
    return done(absl::UnavailableError(Message(ready)));
  }
  auto finish = std::make_shared<OnState>(std::move(done));  // gRPC wants a copyable callback
  CallBegins();
  stub_->async()->GetState(&call->context, &call->request, &call->response,
                           [this, call, finish](const grpc::Status& status) {
                             if (status.ok()) {
                               (*finish)(std::move(call->response));
                             } else {
                               (*finish)(rpc::FromGrpc(status));
                             }
                             delete call;
                             CallEnds();
                           });
}

}  // namespace homeport::gateway
