#include "services/gateway/identity/directory.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/rpc/status_convert.h"

namespace homeport::gateway {
namespace {

using internal::v1::DeviceState;
using internal::v1::DirectoryService;
using internal::v1::GetDeviceConfigRequest;
using internal::v1::GetProductConfigRequest;
using internal::v1::GetStateRequest;
using internal::v1::ProductConfig;
using internal::v1::ResolveCertificateRequest;

// The method of the stub that answers a request.
template <typename Request>
struct Method;
template <>
struct Method<GetProductConfigRequest> {
  static void Call(DirectoryService::Stub::async_interface& stub, auto... arguments) {
    stub.GetProductConfig(std::move(arguments)...);
  }
};
template <>
struct Method<GetDeviceConfigRequest> {
  static void Call(DirectoryService::Stub::async_interface& stub, auto... arguments) {
    stub.GetDeviceConfig(std::move(arguments)...);
  }
};
template <>
struct Method<ResolveCertificateRequest> {
  static void Call(DirectoryService::Stub::async_interface& stub, auto... arguments) {
    stub.ResolveCertificate(std::move(arguments)...);
  }
};
template <>
struct Method<GetStateRequest> {
  static void Call(DirectoryService::Stub::async_interface& stub, auto... arguments) {
    stub.GetState(std::move(arguments)...);
  }
};

absl::StatusOr<Directory::Device> ToDevice(DeviceConfig config) {
  return Directory::Device(std::make_shared<const DeviceConfig>(std::move(config)));
}

// Came alone: without others on its chain.
absl::StatusOr<Directory::Certificate> ToCertificate(CertificateConfig config, bool came_alone) {
  if (came_alone && config.refusal() == "unknown") {
    config.set_refusal(std::string(Directory::kUnknownAlone));
  }
  return Directory::Certificate(std::make_shared<const CertificateConfig>(std::move(config)));
}

template <typename T>
typename DirectoryCache<T>::Options CacheOptions(const Directory::Options& options) {
  typename DirectoryCache<T>::Options cache;
  cache.ttl_ms = options.ttl_ms;
  cache.negative_ttl_ms = options.negative_ttl_ms;
  cache.entries_max = options.entries_max;
  cache.negatives_max = std::max<size_t>(options.entries_max / 16, 1);
  return cache;
}

DirectoryCache<Directory::Certificate>::Options CertificateOptions(
    const Directory::Options& options) {
  auto cache = CacheOptions<Directory::Certificate>(options);
  cache.is_negative = [](const absl::StatusOr<Directory::Certificate>& answer) {
    return answer.ok() && !(*answer)->refusal().empty();
  };
  return cache;
}

}  // namespace

Directory::Directory(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token,
                     const Clock& clock, const Options& options)
    : stub_(DirectoryService::NewStub(std::move(channel))),
      token_(token),
      clock_(clock),
      options_(options),
      products_(clock, CacheOptions<Product>(options)),
      devices_(clock, CacheOptions<Device>(options)),
      certificates_(clock, CertificateOptions(options)) {}

void Directory::CallBegins(Begin begin) {
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    if (abandoned_) {
      status = absl::UnavailableError("this gateway is stopping");
    } else if (begun_ < options_.calls_max) {
      ++begun_;
    } else if (waiting_.size() < options_.calls_waiting_max) {
      waiting_.push_back({std::move(begin), clock_.Now() + options_.timeout_ms});
      return;
    } else {
      status = absl::UnavailableError("too many questions wait for the registry");
    }
  }
  begin(status);
}

// Those that have waited too long are not worth a call: who asked has gone, or goes now.
void Directory::CallEnds() {
  for (;;) {
    std::vector<Begin> late;
    Begin next;
    {
      absl::MutexLock lock(&mutex_);
      while (!next && !waiting_.empty()) {
        Waiting& first = waiting_.front();
        const bool is_late = abandoned_ || first.until <= clock_.Now();
        (is_late ? late.emplace_back() : next) = std::move(first.begin);
        waiting_.pop_front();
      }
      if (!next && late.empty()) {
        --begun_;
        return;
      }
    }
    for (Begin& begin : late) begin(absl::UnavailableError("the registry answers too slowly"));
    if (next) return next(absl::OkStatus());
  }
}

void Directory::Abandon() {
  absl::flat_hash_set<std::shared_ptr<grpc::ClientContext>> contexts;
  {
    absl::MutexLock lock(&mutex_);
    abandoned_ = true;
    contexts = contexts_;
  }
  for (const auto& context : contexts) context->TryCancel();
}

void Directory::Finish() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](int* begun) { return *begun == 0; }, &begun_));
}

// `done` gets an absl::StatusOr<Response>.
template <typename Request, typename Response, typename Done>
void Directory::Ask(Request request, Done done) {
  // Everything one asynchronous call needs until its callback, which deletes it.
  struct Call {
    std::shared_ptr<grpc::ClientContext> context = std::make_shared<grpc::ClientContext>();
    Request request;
    Response response;
    Done done;
  };
  auto* call = new Call{.request = std::move(request), .response = {}, .done = std::move(done)};
  const auto finish = [call](absl::StatusOr<Response> answer) {
    call->done(std::move(answer));
    delete call;
  };
  if (absl::Status ready = rpc::PrepareCall(*call->context, token_, options_.timeout_ms);
      !ready.ok()) {
    return finish(absl::UnavailableError(Message(ready)));
  }
  CallBegins([this, call, finish](absl::Status status) {
    if (!status.ok()) return finish(std::move(status));
    {
      absl::MutexLock lock(&mutex_);
      contexts_.insert(call->context);
      if (abandoned_) call->context->TryCancel();
    }
    Method<Request>::Call(*stub_->async(), call->context.get(),
                          static_cast<const Request*>(&call->request), &call->response,
                          [this, call, finish](const grpc::Status& answer) {
                            {
                              absl::MutexLock lock(&mutex_);
                              contexts_.erase(call->context);
                            }
                            if (answer.ok()) {
                              finish(std::move(call->response));
                            } else {
                              finish(rpc::FromGrpc(answer));
                            }
                            CallEnds();
                          });
  });
}

template <typename T, typename Request, typename Response, typename Convert>
void Directory::Fetch(DirectoryCache<T>& cache, std::string name, Request request, Convert convert,
                      typename DirectoryCache<T>::Done done) {
  if (!cache.Join(name, std::move(done))) return;
  AskFor<T, Request, Response>(cache, std::move(name), std::move(request), std::move(convert));
}

template <typename T, typename Request, typename Response, typename Convert>
void Directory::AskFor(DirectoryCache<T>& cache, std::string name, Request request,
                       Convert convert) {
  Request asked = request;
  Ask<Request, Response>(
      std::move(asked), [this, &cache, name = std::move(name), request = std::move(request),
                         convert](absl::StatusOr<Response> answer) {
        const bool again =
            Keep<T>(cache, name,
                    answer.ok() ? convert(*std::move(answer)) : absl::StatusOr<T>(answer.status()));
        if (again) AskFor<T, Request, Response>(cache, name, request, convert);
      });
}

template <typename T>
bool Directory::Keep(DirectoryCache<T>& cache, const std::string& name, absl::StatusOr<T> answer) {
  using Stored = typename DirectoryCache<T>::Stored;
  const absl::Status status = answer.status();
  const Stored stored = cache.Store(name, std::move(answer));
  if (stored == Stored::kAskAgain) return true;
  const bool has_failed = !status.ok() && !absl::IsNotFound(status);
  if (has_failed) failures_.fetch_add(1, std::memory_order_relaxed);
  if (stored == Stored::kStale) {
    log::Refusal("directory_stale",
                 {{"name", name}, {"reason", status}, {"next", "the cached answer is used"}});
  } else if (has_failed) {
    log::Refusal("directory_failed",
                 {{"name", name}, {"reason", status}, {"next", "whoever waits for it is refused"}});
  }
  return false;
}

void Directory::FetchProduct(std::string product, OnProduct done) {
  if (!products_.Join(product, std::move(done))) return;
  Product known = products_.Known(product);
  ReadProduct(std::make_shared<ProductReading>(std::move(product), std::move(known)));
}

// What a change has overtaken is asked for again as if nothing were known.
void Directory::ReadProduct(std::shared_ptr<ProductReading> reading) {
  internal::v1::GetProductConfigRequest request = reading->Next();
  Ask<GetProductConfigRequest, ProductConfig>(
      std::move(request),
      [this, reading = std::move(reading)](absl::StatusOr<ProductConfig> answer) {
        const absl::Status status = answer.status();
        if (status.ok() && !reading->Take(*std::move(answer))) return ReadProduct(reading);
        const bool again =
            Keep<Product>(products_, reading->product(),
                          status.ok() ? reading->Result(usages_) : absl::StatusOr<Product>(status));
        if (again) ReadProduct(std::make_shared<ProductReading>(reading->product(), nullptr));
      });
}

void Directory::FetchDevice(std::string device, OnDevice done) {
  GetDeviceConfigRequest request;
  request.set_device(device);
  Fetch<Device, GetDeviceConfigRequest, DeviceConfig>(
      devices_, std::move(device), std::move(request), ToDevice, std::move(done));
}

void Directory::FetchCertificate(std::string id, const std::vector<std::string>& chain,
                                 OnCertificate done) {
  ResolveCertificateRequest request;
  request.set_certificate(chain.front());
  for (size_t i = 1; i < chain.size(); ++i) request.add_chain(chain[i]);
  Fetch<Certificate, ResolveCertificateRequest, CertificateConfig>(
      certificates_, std::move(id), std::move(request),
      [came_alone = chain.size() == 1](CertificateConfig config) {
        return ToCertificate(std::move(config), came_alone);
      },
      std::move(done));
}

std::optional<absl::StatusOr<Directory::Certificate>> Directory::CachedCertificate(
    std::string_view id, const std::vector<std::string>& chain) {
  auto cached = certificates_.Find(id);
  if (cached && IsOfLess(*cached, chain)) return std::nullopt;
  return cached;
}

void Directory::FetchState(std::string device, OnState done) {
  GetStateRequest request;
  request.set_device(std::move(device));
  Ask<GetStateRequest, DeviceState>(
      std::move(request), [done = std::move(done)](absl::StatusOr<DeviceState> answer) mutable {
        done(std::move(answer));
      });
}

void Directory::Forget(const DirectoryChange& change) {
  switch (change.kind()) {
    case DirectoryChange::KIND_DEVICE:
      return devices_.Forget(change.name());
    case DirectoryChange::KIND_PRODUCT:
      return products_.Forget(change.name());
    case DirectoryChange::KIND_CERTIFICATE:
      return certificates_.Forget(change.name());
    default:
      // Of an authority: those it vouches for, and those that are refused as somebody else's.
      certificates_.ForgetIf([&](const absl::StatusOr<Certificate>& answer) {
        return answer.ok() &&
               (!(*answer)->refusal().empty() || (*answer)->authority() == change.name());
      });
  }
}

void Directory::ForgetAll() {
  const auto any = [](const auto&) { return true; };
  products_.ForgetIf(any);
  devices_.ForgetIf(any);
  certificates_.ForgetIf(any);
}

}  // namespace homeport::gateway
