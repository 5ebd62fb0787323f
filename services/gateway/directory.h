#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "homeport/internal/v1/directory.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/model/model.h"
#include "libs/rpc/channel.h"

namespace homeport::gateway {

// A product as the gateway needs it. Immutable.
struct ProductInfo {
  std::string product;
  std::string tenant;
  std::string fleet_key;
  bool allow_unregistered = false;
  std::optional<model::Model> model;  // nullopt: the product has none
};

struct DeviceInfo {
  std::string product;
  std::string tenant;
  std::string secret_sha256;
  bool disabled = false;
};

// What the registry knows of products and devices, cached: answers for a time with jitter, "not
// found" for a shorter one. While the registry is away, what is cached goes on being used, however
// old: known devices still connect. One request per name is under way at a time. Thread-safe.
class Directory {
 public:
  using Product = std::shared_ptr<const ProductInfo>;  // shared by sessions of all shards
  using OnProduct = absl::AnyInvocable<void(absl::StatusOr<Product>)>;
  using OnDevice = absl::AnyInvocable<void(absl::StatusOr<DeviceInfo>)>;
  using OnState = absl::AnyInvocable<void(absl::StatusOr<internal::v1::DeviceState>)>;

  struct Options {
    int64_t ttl_ms = 60'000;
    int64_t not_found_ttl_ms = 2'000;
    size_t entries_max = 1'000'000;
    int64_t timeout_ms = 5'000;
  };

  // `token` and `clock` must outlive the directory.
  Directory(std::shared_ptr<grpc::Channel> channel, rpc::TokenFile& token, const Clock& clock,
            Options options);

  // Nothing when the answer is not cached or too old: then Fetch.
  [[nodiscard]] std::optional<absl::StatusOr<Product>> CachedProduct(std::string_view product)
      ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] std::optional<absl::StatusOr<DeviceInfo>> CachedDevice(std::string_view device)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The callback comes on a thread of gRPC. Errors: NotFound; Unavailable when nothing is cached
  // and the registry does not answer.
  void FetchProduct(std::string product, OnProduct done) ABSL_LOCKS_EXCLUDED(mutex_);
  void FetchDevice(std::string device, OnDevice done) ABSL_LOCKS_EXCLUDED(mutex_);
  // Never cached.
  void FetchState(std::string device, OnState done) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until every call begun has come back. REQUIRES: none is begun any more.
  void Finish() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  template <typename T>
  struct Entry {
    absl::StatusOr<T> value = absl::UnavailableError("not fetched");
    MonoMs expires;
    std::vector<absl::AnyInvocable<void(absl::StatusOr<T>)>> waiting;
  };
  template <typename T>
  using Cache = absl::flat_hash_map<std::string, Entry<T>, StringHash, StringEqual>;

  template <typename T>
  std::optional<absl::StatusOr<T>> Cached(Cache<T>& cache, std::string_view name)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // True when the caller must make the call.
  template <typename T>
  bool Enqueue(Cache<T>& cache, const std::string& name,
               absl::AnyInvocable<void(absl::StatusOr<T>)> done) ABSL_LOCKS_EXCLUDED(mutex_);
  template <typename T>
  void Store(Cache<T>& cache, const std::string& name, absl::StatusOr<T> value)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void CallBegins() ABSL_LOCKS_EXCLUDED(mutex_);
  void CallEnds() ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t Jittered(int64_t ttl_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::unique_ptr<internal::v1::DirectoryService::Stub> stub_;
  rpc::TokenFile& token_;
  const Clock& clock_;
  const Options options_;
  absl::Mutex mutex_;
  Cache<Product> products_ ABSL_GUARDED_BY(mutex_);
  Cache<DeviceInfo> devices_ ABSL_GUARDED_BY(mutex_);
  std::minstd_rand random_ ABSL_GUARDED_BY(mutex_);
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;  // under way
};

}  // namespace homeport::gateway
