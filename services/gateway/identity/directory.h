#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "homeport/internal/v1/directory.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/rpc/channel.h"
#include "services/gateway/flow/tenant_usage.h"
#include "services/gateway/identity/directory_cache.h"
#include "services/gateway/identity/product_reading.h"

namespace homeport::gateway {

using internal::v1::CertificateConfig;
using internal::v1::DeviceConfig;
using internal::v1::DirectoryChange;

// What the registry knows of products, devices and certificates, cached (directory_cache.h): while
// the registry is away, what is cached goes on being used, however old: known devices still
// connect. At most `calls_max` calls are under way at a time, the others wait, but not for ever.
// Thread-safe.
class Directory {
 public:
  // Shared by sessions of all shards; never changed.
  using Product = ProductReading::Product;
  using Device = std::shared_ptr<const DeviceConfig>;
  using Certificate = std::shared_ptr<const CertificateConfig>;
  using OnProduct = DirectoryCache<Product>::Done;
  using OnDevice = DirectoryCache<Device>::Done;
  using OnCertificate = DirectoryCache<Certificate>::Done;
  using OnState = absl::AnyInvocable<void(absl::StatusOr<internal::v1::DeviceState>)>;

  // CertificateConfig::refusal of one that is unknown and came alone: whoever sends along by whom
  // it was signed may be known.
  static constexpr std::string_view kUnknownAlone = "unknown_alone";

  struct Options {
    int64_t ttl_ms = 60'000;
    int64_t negative_ttl_ms = 30'000;
    size_t entries_max = 1'000'000;
    int64_t timeout_ms = 5'000;
    int calls_max = 256;
    size_t calls_waiting_max = 50'000;  // beyond it, Unavailable at once
  };

  // `token` and `clock` must outlive the directory.
  Directory(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token, const Clock& clock,
            const Options& options);

  // Nothing when the answer is not cached or too old: then Fetch.
  [[nodiscard]] std::optional<absl::StatusOr<Product>> CachedProduct(std::string_view product) {
    return products_.Find(product);
  }
  [[nodiscard]] std::optional<absl::StatusOr<Device>> CachedDevice(std::string_view device) {
    return devices_.Find(device);
  }
  // `chain` as FetchCertificate has it.
  [[nodiscard]] std::optional<absl::StatusOr<Certificate>> CachedCertificate(
      std::string_view id, const std::vector<std::string>& chain);

  // The callback comes on a thread of gRPC. Errors: NotFound; Unavailable when nothing is cached
  // and the registry does not answer; of a product, those of ProductReading::Result.
  void FetchProduct(std::string product, OnProduct done);
  void FetchDevice(std::string device, OnDevice done);
  // `chain`: what the client sent, DER, its own certificate first. `id` is that one's.
  // The answer may be that of a fetch that was under way, or an old one (IsOfLess).
  void FetchCertificate(std::string id, const std::vector<std::string>& chain, OnCertificate done);
  // Never cached.
  void FetchState(std::string device, OnState done);

  // Whether an answer is one of the certificate alone, which says nothing of it beside this chain.
  [[nodiscard]] static bool IsOfLess(const absl::StatusOr<Certificate>& answer,
                                     const std::vector<std::string>& chain) {
    return answer.ok() && (*answer)->refusal() == kUnknownAlone && chain.size() > 1;
  }

  // What the registry has announced: the next question is asked anew.
  void Forget(const DirectoryChange& change);
  void ForgetAll();

  // Whoever waits, now or later, gets Unavailable: the process ends.
  void Abandon() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until every call begun has come back. REQUIRES: none is begun any more.
  void Finish() ABSL_LOCKS_EXCLUDED(mutex_);

  // How often the registry did not answer, or nothing that can be used.
  [[nodiscard]] uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

 private:
  // With OK, or with why the call is not to be made.
  using Begin = absl::AnyInvocable<void(absl::Status)>;
  struct Waiting {
    Begin begin;
    MonoMs until;
  };
  template <typename T, typename Request, typename Response, typename Convert>
  void Fetch(DirectoryCache<T>& cache, std::string name, Request request, Convert convert,
             typename DirectoryCache<T>::Done done);
  // Until the cache has an answer that no change has overtaken.
  template <typename T, typename Request, typename Response, typename Convert>
  void AskFor(DirectoryCache<T>& cache, std::string name, Request request, Convert convert);
  void ReadProduct(std::shared_ptr<ProductReading> reading);
  // The end of a fetch. True: a change has overtaken it, it is to be made again.
  template <typename T>
  [[nodiscard]] bool Keep(DirectoryCache<T>& cache, const std::string& name,
                          absl::StatusOr<T> answer);
  template <typename Request, typename Response, typename Done>
  void Ask(Request request, Done done);
  void CallBegins(Begin begin) ABSL_LOCKS_EXCLUDED(mutex_);
  void CallEnds() ABSL_LOCKS_EXCLUDED(mutex_);

  TenantUsages usages_;
  std::unique_ptr<internal::v1::DirectoryService::Stub> stub_;
  rpc::TokenFile& token_;
  const Clock& clock_;
  const Options options_;
  DirectoryCache<Product> products_;
  DirectoryCache<Device> devices_;
  DirectoryCache<Certificate> certificates_;
  std::atomic<uint64_t> failures_ = 0;
  absl::Mutex mutex_;
  int begun_ ABSL_GUARDED_BY(mutex_) = 0;  // under way
  std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the calls under way; shared with them, as one may end while it is cancelled.
  absl::flat_hash_set<std::shared_ptr<grpc::ClientContext>> contexts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace homeport::gateway
