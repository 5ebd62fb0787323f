#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/auth/credentials.h"
#include "libs/auth/token.h"
#include "libs/base/clock.h"

namespace homeport::auth {

// Where keys come from: the text, and a stamp that changes when the text does.
struct JwksSource {
  std::function<absl::StatusOr<int64_t>()> stamp;
  std::function<absl::StatusOr<std::string>()> read;
};

// A file, stamped by its mtime and size.
[[nodiscard]] JwksSource FileSource(std::string path);

// Verifies tokens with the keys of a file that may be replaced while the process runs: looked at
// no more than once a second, reloaded when its stamp changed. A reload that fails keeps the former
// keys. Tokens verified before are remembered (by hash, 4,096 of them): a signature costs
// some 100 µs.
// Thread-safe.
class JwksFile {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<JwksFile>> Open(JwksSource source,
                                                                      TokenRules rules);
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<JwksFile>> Open(std::string path,
                                                                      TokenRules rules) {
    return Open(FileSource(std::move(path)), std::move(rules));
  }

  // As TokenVerifier::Verify.
  [[nodiscard]] absl::StatusOr<Claims> Verify(std::string_view jwt, WallMs now);
  // How often the file would not do when it was looked at: the former keys stay in use.
  [[nodiscard]] uint64_t reload_failures() const {
    return reload_failures_.load(std::memory_order_relaxed);
  }

 private:
  JwksFile(JwksSource source, TokenRules rules)
      : source_(std::move(source)), rules_(std::move(rules)) {}
  [[nodiscard]] absl::Status Load() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReloadIfChanged(WallMs now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const JwksSource source_;
  const TokenRules rules_;
  absl::Mutex mutex_;
  // Shared because a call verifies outside the lock while a reload may replace the keys.
  std::shared_ptr<const TokenVerifier> verifier_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Sha256Digest, Claims> verified_ ABSL_GUARDED_BY(mutex_);
  int64_t stamp_ ABSL_GUARDED_BY(mutex_) = 0;
  WallMs checked_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> reload_failures_ = 0;
};

}  // namespace homeport::auth
